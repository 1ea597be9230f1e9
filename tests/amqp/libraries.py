"""aio-pika, py-amqp and kombu, each doing what its users do. usage: libraries.py PORT"""
import asyncio
import socket
import sys

import aio_pika
import amqp
import kombu

PORT = int(sys.argv[1])
URL = f"amqp://guest:guest@127.0.0.1:{PORT}/"


async def aio():
    connection = await aio_pika.connect_robust(URL)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.set_qos(prefetch_count=10)
        exchange = await channel.declare_exchange("aio", aio_pika.ExchangeType.TOPIC, auto_delete=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "a.*")
        persistent = aio_pika.DeliveryMode.PERSISTENT
        sent = [aio_pika.Message(b"%d" % n, headers={"n": n}, delivery_mode=persistent) for n in range(200)]
        await asyncio.gather(*(exchange.publish(message, "a.b") for message in sent))
        got = []
        async with queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    got.append((message.body, message.headers["n"]))
                if len(got) == len(sent):
                    break
        assert sorted(n for _, n in got) == list(range(200)), got[:5]
        try:
            await channel.default_exchange.publish(aio_pika.Message(b"x"), "nowhere", mandatory=True)
            raise AssertionError("an unroutable message was taken")
        except aio_pika.exceptions.DeliveryError as error:
            assert error.frame is not None
    print("aio-pika: 200 messages confirmed, delivered and settled")


def py_amqp():
    with amqp.Connection(f"127.0.0.1:{PORT}", confirm_publish=True, heartbeat=10) as connection:
        assert connection.server_properties["product"] == "Sluice", connection.server_properties
        channel = connection.channel()
        queue = channel.queue_declare(exclusive=True).queue
        channel.basic_publish(amqp.Message("hello", delivery_mode=2), routing_key=queue)
        message = channel.basic_get(queue)
        assert message.body == "hello" and message.delivery_info["redelivered"] is False
        channel.basic_reject(message.delivery_tag, requeue=True)
        again = channel.basic_get(queue)
        assert again.delivery_info["redelivered"] is True
        channel.basic_ack(again.delivery_tag)
        connection.heartbeat_tick()
        try:
            channel.queue_declare("nothing", passive=True)
            raise AssertionError("a queue that is not there was found")
        except amqp.NotFound as error:
            assert error.code == 404, error
    print("amqp: 404, redelivery and heartbeat as expected")


def with_kombu():
    with kombu.Connection(URL, heartbeat=10) as connection:
        exchange = kombu.Exchange("media", "direct", durable=True)
        queue = kombu.Queue("video", exchange=exchange, routing_key="video", max_priority=10)
        producer = connection.Producer(serializer="json")
        for rank in (1, 9, 5):
            producer.publish({"rank": rank}, exchange=exchange, routing_key="video", declare=[queue], priority=rank, retry=True)
        got = []

        def on_task(body, message):
            got.append(body["rank"])
            message.ack()

        # All three are there before the consumer is.
        with connection.channel() as channel:
            deadline = 500
            while queue(channel).queue_declare(passive=True).message_count < 3 and deadline:
                deadline -= 1
        with connection.Consumer(queue, callbacks=[on_task]):
            while len(got) < 3:
                try:
                    connection.drain_events(timeout=10)
                except socket.timeout:
                    break
        assert got == [9, 5, 1], got
        with connection.SimpleQueue("simple") as simple:
            simple.put({"k": "v"})
            message = simple.get(timeout=10)
            assert message.payload == {"k": "v"}
            message.ack()
        with connection.channel() as channel:
            queue(channel).delete()
            exchange(channel).delete()
            kombu.Queue("simple")(channel).delete()
    print("kombu: priorities and simple queues")


asyncio.run(aio())
py_amqp()
with_kombu()
