"""aio-pika, py-amqp and kombu, each doing what its users do. Prints what they see, one named line each. usage: libraries.py PORT"""
import asyncio
import socket
import sys

import aio_pika
import amqp
import kombu

PORT = int(sys.argv[1])
URL = f"amqp://guest:guest@127.0.0.1:{PORT}/"


def show(name, value):
    print(f"{name}: {value}", flush=True)


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
                    seen = (message.exchange, message.routing_key, message.redelivered, message.delivery_mode, dict(message.headers))
                if len(got) == len(sent):
                    break
        assert sorted(n for _, n in got) == list(range(200)), got[:5]
        # Published side by side, so that any order is one.
        show("aio-pika delivered", (len(got), all(body == b"%d" % n for body, n in got), seen[:4], list(seen[4])))
        try:
            await channel.default_exchange.publish(aio_pika.Message(b"x"), "nowhere", mandatory=True)
            raise AssertionError("an unroutable message was taken")
        except aio_pika.exceptions.DeliveryError as error:
            show("aio-pika unroutable", (type(error).__name__, type(error.frame).__name__, error.message.delivery.routing_key, error.message.delivery.reply_code, error.message.delivery.reply_text))
        try:
            await channel.declare_exchange("aio", aio_pika.ExchangeType.FANOUT, auto_delete=True)
            raise AssertionError("an exchange became another")
        except aio_pika.exceptions.ChannelPreconditionFailed as error:
            show("aio-pika another type", error)


def py_amqp():
    with amqp.Connection(f"127.0.0.1:{PORT}", confirm_publish=True, heartbeat=10) as connection:
        show("amqp product", connection.server_properties["product"])
        show("amqp capabilities", sorted(connection.server_properties["capabilities"].items()))
        show("amqp mechanisms", sorted(connection.mechanisms))
        show("amqp tuned", (connection.channel_max, connection.frame_max, connection.heartbeat))
        channel = connection.channel()
        queue = channel.queue_declare(exclusive=True).queue
        channel.basic_publish(amqp.Message("hello", delivery_mode=2), routing_key=queue)
        message = channel.basic_get(queue)
        assert message.body == "hello" and message.delivery_info["redelivered"] is False
        told = {name: value for name, value in message.delivery_info.items() if name != "routing_key"}
        show("amqp delivery", (sorted(told.items()), message.properties))
        channel.basic_reject(message.delivery_tag, requeue=True)
        again = channel.basic_get(queue)
        show("amqp delivered again", again.delivery_info["redelivered"])
        channel.basic_ack(again.delivery_tag)
        connection.heartbeat_tick()
        try:
            channel.queue_declare("nothing", passive=True)
            raise AssertionError("a queue that is not there was found")
        except amqp.NotFound as error:
            show("amqp not found", (error.code, error.reply_text, error.method_name))


def with_kombu():
    with kombu.Connection(URL, heartbeat=10) as connection:
        exchange = kombu.Exchange("media", "direct", durable=True)
        queue = kombu.Queue("video", exchange=exchange, routing_key="video", max_priority=10)
        producer = connection.Producer(serializer="json")
        for rank in (1, 9, 5):
            producer.publish({"rank": rank}, exchange=exchange, routing_key="video", declare=[queue], priority=rank, retry=True)
        got = []

        def on_task(body, message):
            got.append((body["rank"], message.properties.get("priority"), message.content_type, message.content_encoding))
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
        show("kombu by rank", got)
        with connection.SimpleQueue("simple") as simple:
            simple.put({"k": "v"})
            message = simple.get(timeout=10)
            show("kombu simple queue", (message.payload, message.delivery_info["exchange"], message.delivery_info["redelivered"]))
            message.ack()
        with connection.channel() as channel:
            show("kombu left", queue(channel).delete())
            exchange(channel).delete()
            kombu.Queue("simple")(channel).delete()


asyncio.run(aio())
py_amqp()
with_kombu()
