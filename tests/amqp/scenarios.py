"""What applications do with RabbitMQ, through pika. Prints what is observed, one named line each.

usage: scenarios.py PORT [SCENARIO…]
"""
import datetime
import functools
import socket
import sys
import threading
import time

import pika
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError

from waiting import until

PORT = int(sys.argv[1])
SCENARIOS = {}
PATIENCE = 10


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def show(name, value):
    print(f"{name}: {value}", flush=True)


def connect(**more):
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", PORT, **more))


def get(channel, queue, ack=True):
    """The next message, waited for."""

    def take():
        method, properties, body = channel.basic_get(queue)
        return method and (method, properties, body)

    got = until(f"a message in {queue}", take)
    if ack:
        channel.basic_ack(got[0].delivery_tag)
    return got


def count(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def settled(channel, queue, wanted):
    return until(f"{wanted} messages in {queue}", lambda: count(channel, queue) == wanted or None)


def consume(connection, channel, queue, wanted, **more):
    """The next `wanted` messages, by a subscription that ends with them."""
    got = []

    def on_message(ch, method, properties, body):
        got.append((method, properties, body))

    tag = channel.basic_consume(queue, on_message, **more)
    deadline = time.monotonic() + PATIENCE
    while len(got) < wanted and time.monotonic() < deadline:
        connection.process_data_events(time_limit=0.05)
    channel.basic_cancel(tag)
    return got


def refused(call):
    try:
        call()
        return "taken"
    except ChannelClosedByBroker as error:
        return (error.reply_code, error.reply_text)


@scenario
def tutorial_one_hello_world():
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("hello")
        channel.basic_publish("", "hello", b"Hello World!")
        got = consume(connection, channel, "hello", 1, auto_ack=True)
        show("hello", [(m.exchange, m.routing_key, m.redelivered, b) for m, _, b in got])
        show("hello left", channel.queue_delete("hello").method.message_count)


@scenario
def tutorial_two_work_queues():
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("task_queue", durable=True)
        channel.confirm_delivery()
        busy, idle = connect(), connect()
        given = {"busy": [], "idle": []}

        def serve(worker, name):
            """Takes one task at a time, and is done with it at once unless it is busy."""
            tasks = worker.channel()
            tasks.basic_qos(prefetch_count=1)

            def work(ch, method, properties, body):
                given[name].append((body, method.redelivered, properties.delivery_mode))
                if name == "idle":
                    ch.basic_ack(method.delivery_tag)

            tasks.basic_consume("task_queue", work)

        def work_until(what, condition):
            def turn():
                for worker in (busy, idle):
                    if worker.is_open:
                        worker.process_data_events(time_limit=0.01)
                return condition()

            until(what, turn)

        # The first task is the busy one's, which never ends it; all the others go to whoever is free.
        serve(busy, "busy")
        persistent = pika.BasicProperties(delivery_mode=2)
        channel.basic_publish("", "task_queue", b"task 0", persistent)
        work_until("the busy worker's task", lambda: len(given["busy"]) == 1)
        serve(idle, "idle")
        for task in range(1, 6):
            channel.basic_publish("", "task_queue", b"task %d" % task, persistent)
        work_until("the idle worker's tasks", lambda: len(given["idle"]) == 5)
        show("fair dispatch", given)
        # A worker that dies loses nothing: its task goes to another, marked as one that was delivered before.
        busy._impl._transport._sock.shutdown(socket.SHUT_RDWR)
        try:
            busy.process_data_events(time_limit=0.01)
        except pika.exceptions.AMQPError:
            pass
        work_until("the dead worker's task", lambda: len(given["idle"]) == 6)
        show("what the dead worker had", given["idle"][5:])
        idle.close()
        show("task_queue left", channel.queue_delete("task_queue").method.message_count)


@scenario
def tutorial_three_publish_subscribe():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare("logs", "fanout")
        try:
            channel.basic_publish("logs", "", b"nobody listens", mandatory=True)
        except UnroutableError as error:
            show("nobody listens", error.messages[0].method.reply_text)
        queues, seen = [], []
        for number in range(2):
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queue, "logs")
            queues.append(queue)
            seen.append([])
            take = lambda c, m, p, b, got=seen[number]: got.append((m.exchange, m.routing_key, m.redelivered, b))  # noqa: E731
            channel.basic_consume(queue, take, auto_ack=True)
        show("made-up names", [(name[:8], len(name)) for name in queues])
        for n in range(3):
            channel.basic_publish("logs", "ignored", b"info: %d" % n)
        deadline = time.monotonic() + PATIENCE
        while min(map(len, seen)) < 3 and time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.05)
        show("fanout", seen)
        # Whoever comes later gets nothing of before.
        late = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(late, "logs")
        show("too late", channel.basic_get(late)[2])
        channel.exchange_delete("logs")


@scenario
def tutorial_four_routing():
    with connect() as connection:
        channel = connection.channel()
        channel.exchange_declare("direct_logs", "direct")
        queue = channel.queue_declare("", exclusive=True).method.queue
        for severity in ("warning", "error"):
            channel.queue_bind(queue, "direct_logs", severity)
        for severity in ("info", "warning", "error"):
            channel.basic_publish("direct_logs", severity, severity.encode())
        show("direct", [get(channel, queue)[2] for _ in range(2)])
        show("direct left", count(channel, queue))
        channel.exchange_delete("direct_logs")


@scenario
def tutorial_five_topics():
    with connect() as connection:
        channel = connection.channel()
        channel.exchange_declare("topic_logs", "topic")
        for pattern in ("#", "kern.*", "*.critical", "a.#.z", "*"):
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queue, "topic_logs", pattern)
            keys = ["kern.critical", "kern", "a.z", "a.b.c.z", "cron.warning", ""]
            channel.confirm_delivery()
            for key in keys:
                channel.basic_publish("topic_logs", key, key.encode())
            got = []
            while count(channel, queue):
                got.append(get(channel, queue)[2])
            show(f"topic {pattern}", got)
            channel.queue_delete(queue)
        channel.exchange_delete("topic_logs")


@scenario
def tutorial_six_rpc():
    with connect() as server, connect() as client:
        work, asking = server.channel(), client.channel()
        work.queue_declare("rpc_queue")

        def answer(ch, method, props, body):
            properties = pika.BasicProperties(correlation_id=props.correlation_id)
            ch.basic_publish("", props.reply_to, str(int(body) * 2).encode(), properties)
            ch.basic_ack(method.delivery_tag)

        work.basic_qos(prefetch_count=1)
        work.basic_consume("rpc_queue", answer)
        replies = []
        callback = asking.queue_declare("", exclusive=True).method.queue
        for queue in (callback, "amq.rabbitmq.reply-to"):
            asking.basic_consume(queue, lambda c, m, p, b: replies.append((p.correlation_id, b)), auto_ack=True)
            properties = pika.BasicProperties(reply_to=queue, correlation_id="c" + queue[:8])
            asking.basic_publish("", "rpc_queue", b"21", properties)
        deadline = time.monotonic() + PATIENCE
        while len(replies) < 2 and time.monotonic() < deadline:
            server.process_data_events(time_limit=0.05)
            client.process_data_events(time_limit=0.05)
        show("rpc", sorted(replies))
        work.queue_delete("rpc_queue")


@scenario
def confirms_and_returns():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("confirmed", durable=True)
        show("confirmed", channel.basic_publish("", "confirmed", b"x", mandatory=True))
        try:
            channel.basic_publish("", "nowhere", b"back", pika.BasicProperties(headers={"a": 1}), mandatory=True)
        except UnroutableError as error:
            back = error.messages[0]
            show("returned", (back.method.reply_code, back.method.reply_text, back.properties.headers, back.body))
        channel.queue_delete("confirmed")


@scenario
def a_full_queue_refuses():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
        channel.basic_publish("", "full", b"one")
        try:
            channel.basic_publish("", "full", b"two")
        except NackError as error:
            show("nacked", [message.body for message in error.messages])
        show("first stays", get(channel, "full")[2])
        channel.queue_delete("full")


@scenario
def a_full_queue_drops_its_head():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("ring", arguments={"x-max-length": 2})
        for n in range(4):
            channel.basic_publish("", "ring", b"%d" % n)
        show("ring", [get(channel, "ring")[2] for _ in range(2)])
        channel.queue_delete("ring")


@scenario
def properties_and_headers_survive():
    import datetime
    import decimal

    headers = {
        "bool": True, "int": -7, "long": 2**40, "text": "Ünï", "bytes": b"\xff\x00",
        "none": None, "list": [1, "two", [3]], "table": {"a": {"b": 1}}, "decimal": decimal.Decimal("1.25"),
        "time": datetime.datetime(2020, 1, 2, 3, 4, 5),
    }
    everything = pika.BasicProperties(
        content_type="application/json", content_encoding="gzip", headers=headers, delivery_mode=2, priority=3,
        correlation_id="c", reply_to="r", expiration="60000", message_id="m", timestamp=1_600_000_000,
        type="t", user_id="guest", app_id="a", cluster_id="cl",
    )
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("lossless")
        for name, properties in (
            ("all", everything), ("none", pika.BasicProperties()), ("empty", pika.BasicProperties(headers={})),
        ):
            channel.basic_publish("", "lossless", b"", properties)
            got = get(channel, "lossless")[1]
            show(f"properties {name}", sorted((k, v) for k, v in got.__dict__.items() if v is not None))
        body = bytes(range(256)) * 4096
        channel.basic_publish("", "lossless", body)
        show("a large body", get(channel, "lossless")[2] == body)
        channel.queue_delete("lossless")


@scenario
def requeued_messages_take_their_places():
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("places")
        for n in range(5):
            channel.basic_publish("", "places", b"%d" % n)
        settled(channel, "places", 5)
        held = [get(channel, "places", ack=False)[0].delivery_tag for _ in range(4)]
        channel.basic_nack(held[2], requeue=True)
        channel.basic_reject(held[0], requeue=True)
        channel.basic_ack(held[1])
        channel.basic_nack(held[3], multiple=True, requeue=True)
        settled(channel, "places", 4)
        got = [get(channel, "places") for _ in range(4)]
        show("order", [(b, m.redelivered) for m, _, b in got])
        for n in range(3):
            channel.basic_publish("", "places", b"again %d" % n)
        settled(channel, "places", 3)
        for _ in range(3):
            get(channel, "places", ack=False)
        channel.basic_recover(requeue=True)
        settled(channel, "places", 3)
        show("recovered", [(get(channel, "places")[2]) for _ in range(3)])
        for n in range(3):
            channel.basic_publish("", "places", b"%d" % n)
        settled(channel, "places", 3)
        other = connection.channel()
        for _ in range(2):
            get(other, "places", ack=False)
        other.close()
        settled(channel, "places", 3)
        show("channel closed", [(b, m.redelivered) for m, _, b in (get(channel, "places") for _ in range(3))])
        channel.queue_delete("places")


@scenario
def acknowledging_many_at_once():
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("many")
        for n in range(6):
            channel.basic_publish("", "many", b"%d" % n)
        settled(channel, "many", 6)
        tags = [get(channel, "many", ack=False)[0].delivery_tag for _ in range(6)]
        channel.basic_ack(tags[3], multiple=True)
        channel.basic_nack(0, multiple=True, requeue=True)
        settled(channel, "many", 2)
        show("left", [get(channel, "many")[2] for _ in range(2)])
        show("twice", refused(lambda: (channel.basic_ack(tags[0]), channel.queue_declare("many", passive=True))))
        connection.channel().queue_delete("many")


@scenario
def dead_letters_say_where_they_were():
    with connect() as connection:
        channel = connection.channel()
        channel.exchange_declare("dlx", "fanout")
        channel.queue_declare("dead")
        channel.queue_bind("dead", "dlx")
        arguments = {"x-dead-letter-exchange": "dlx", "x-message-ttl": 60000}
        channel.queue_declare("dying", arguments=arguments)

        def death(properties):
            headers = {k: v for k, v in (properties.headers or {}).items()}
            deaths = [{k: v for k, v in entry.items() if k != "time"} for entry in headers.pop("x-death", [])]
            return (deaths, sorted(headers.items()), properties.expiration)

        channel.basic_publish("", "dying", b"rejected", pika.BasicProperties(headers={"mine": 1}))
        method = get(channel, "dying", ack=False)[0]
        channel.basic_reject(method.delivery_tag, requeue=False)
        _, properties, body = get(channel, "dead")
        show("rejected", (body, death(properties)))
        channel.basic_publish("", "dying", b"expired", pika.BasicProperties(expiration="1"))
        method, properties, body = get(channel, "dead")
        show("expired", (body, method.exchange, method.routing_key, death(properties)))
        channel.queue_delete("dying")
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-max-length": 1}
        channel.queue_declare("dying", arguments=arguments)
        channel.basic_publish("", "dying", b"one")
        channel.basic_publish("", "dying", b"two")
        method, properties, body = get(channel, "dead")
        show("overflown", (body, method.exchange, method.routing_key, death(properties)))
        channel.queue_delete("dying")
        channel.queue_delete("dead")
        channel.exchange_delete("dlx")


@scenario
def priorities():
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("ranked", arguments={"x-max-priority": 5})
        for n, priority in enumerate((0, 9, 3, None, 5)):
            channel.basic_publish("", "ranked", b"%d" % n, pika.BasicProperties(priority=priority))
        settled(channel, "ranked", 5)
        show("ranked", [(b, p.priority) for _, p, b in (get(channel, "ranked") for _ in range(5))])
        channel.queue_delete("ranked")


@scenario
def prefetch():
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("few")
        for n in range(10):
            channel.basic_publish("", "few", b"%d" % n)
        settled(channel, "few", 10)
        channel.basic_qos(prefetch_count=3)
        got = consume(connection, channel, "few", 3)
        show("per consumer", (len(got), settled(channel, "few", 7)))
        channel.basic_nack(0, multiple=True, requeue=True)
        settled(channel, "few", 10)
        shared = connection.channel()
        shared.basic_qos(prefetch_count=4, global_qos=True)
        taken = []
        for _ in range(2):
            shared.basic_consume("few", lambda c, m, p, b: taken.append(m.delivery_tag))
        deadline = time.monotonic() + PATIENCE
        while len(taken) < 4 and time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.05)
        show("per channel", (len(taken), settled(channel, "few", 6)))
        shared.basic_ack(taken[1], multiple=True)
        while len(taken) < 6 and time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.05)
        show("per channel, two settled", (len(taken), settled(channel, "few", 4)))
        channel.queue_delete("few")


@scenario
def exclusive_and_auto_delete():
    with connect() as owner, connect() as other:
        mine = owner.channel()
        mine.queue_declare("mine", exclusive=True)
        show("other", refused(lambda: other.channel().queue_declare("mine", passive=True)))
        mine.queue_declare("brief", auto_delete=True)
        tag = mine.basic_consume("brief", lambda *_: None)
        mine.basic_cancel(tag)
        show("brief", refused(lambda: owner.channel().queue_declare("brief", passive=True)))
        owner.close()
        show("mine", refused(lambda: other.channel().queue_declare("mine", passive=True)))
        channel = other.channel()
        channel.exchange_declare("brief", "direct", auto_delete=True)
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "brief", "k")
        channel.queue_unbind(queue, "brief", "k")
        show("brief exchange", refused(lambda: other.channel().exchange_declare("brief", passive=True)))


@scenario
def the_end_of_a_queue_is_told():
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("ending")
        ended = []
        channel.add_on_cancel_callback(lambda frame: ended.append(frame.method.consumer_tag))
        channel.basic_consume("ending", lambda *_: None, consumer_tag="watcher")
        connection.channel().queue_delete("ending")
        deadline = time.monotonic() + PATIENCE
        while not ended and time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.05)
        show("ended", ended)


@scenario
def alternate_exchanges_and_headers():
    with connect() as connection:
        channel = connection.channel()
        channel.exchange_declare("spare", "fanout")
        channel.exchange_declare("first", "direct", arguments={"alternate-exchange": "spare"})
        channel.queue_declare("caught")
        channel.queue_bind("caught", "spare")
        channel.confirm_delivery()
        channel.basic_publish("first", "nobody", b"lost?", mandatory=True)
        method, _, body = get(channel, "caught")
        show("caught", (method.exchange, method.routing_key, body))
        for match in ("all", "any", "all-with-x", "any-with-x"):
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queue, "amq.headers", arguments={"x-match": match, "a": 1, "x-b": "two"})
            sent = [{"a": 1}, {"a": 1, "x-b": "two"}, {"x-b": "two"}, {"a": 2}, {}]
            for n, headers in enumerate(sent):
                channel.basic_publish("amq.headers", "", b"%d" % n, pika.BasicProperties(headers=headers))
            got = []
            while count(channel, queue):
                got.append(get(channel, queue)[2])
            show(f"headers {match}", got)
            channel.queue_delete(queue)
        channel.exchange_declare("second", "topic")
        channel.exchange_bind("second", "first", "e2e")
        channel.queue_declare("bound")
        channel.queue_bind("bound", "second", "#")
        channel.basic_publish("first", "e2e", b"over two")
        method, _, body = get(channel, "bound")
        show("exchange to exchange", (method.exchange, method.routing_key, body))
        for exchange in ("first", "second", "spare"):
            channel.exchange_delete(exchange)
        for queue in ("caught", "bound"):
            channel.queue_delete(queue)


@scenario
def carbon_copies():
    with connect() as connection:
        channel = connection.channel()
        for queue in ("to", "cc", "bcc"):
            channel.queue_declare(queue)
        properties = pika.BasicProperties(headers={"CC": ["cc"], "BCC": ["bcc"]})
        channel.basic_publish("", "to", b"x", properties)
        for queue in ("to", "cc", "bcc"):
            method, properties, _ = get(channel, queue)
            show(f"copy {queue}", (method.routing_key, properties.headers))
            channel.queue_delete(queue)


@scenario
def transactions():
    with connect() as connection:
        channel, watcher = connection.channel(), connection.channel()
        channel.queue_declare("tx")
        channel.tx_select()
        channel.basic_publish("", "tx", b"rolled back")
        channel.tx_rollback()
        channel.basic_publish("", "tx", b"one")
        channel.basic_publish("", "tx", b"two")
        show("before", count(watcher, "tx"))
        channel.tx_commit()
        show("after", count(watcher, "tx"))
        method = get(channel, "tx", ack=False)[0]
        channel.basic_ack(method.delivery_tag)
        channel.tx_rollback()
        channel.basic_ack(method.delivery_tag)
        channel.tx_commit()
        show("left", [get(watcher, "tx")[2] for _ in range(1)])
        watcher.queue_delete("tx")


@scenario
def consumers_by_rank_and_one_at_a_time():
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("single", arguments={"x-single-active-consumer": True})
        got = []
        for tag in ("first", "second"):
            channel.basic_consume("single", lambda c, m, p, b: got.append((m.consumer_tag, b)), auto_ack=True, consumer_tag=tag)
        for n in range(4):
            channel.basic_publish("", "single", b"%d" % n)
        deadline = time.monotonic() + PATIENCE
        while len(got) < 4 and time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.05)
        show("single active", got)
        channel.basic_cancel("first")
        channel.basic_publish("", "single", b"4")
        while len(got) < 5 and time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.05)
        show("next in line", got[4:])
        channel.queue_delete("single")
        channel.queue_declare("byrank")
        got.clear()
        for tag, rank in (("low", -5), ("high", 10)):
            channel.basic_consume("byrank", lambda c, m, p, b: got.append(m.consumer_tag), auto_ack=True, consumer_tag=tag, arguments={"x-priority": rank})
        for n in range(3):
            channel.basic_publish("", "byrank", b"%d" % n)
        while len(got) < 3 and time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.05)
        show("by rank", got)
        channel.queue_delete("byrank")


@scenario
def quorum_queues_count_failures():
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("failed", durable=True)
        arguments = {"x-queue-type": "quorum", "x-delivery-limit": 2, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "failed"}
        channel.queue_declare("counted", durable=True, arguments=arguments)
        channel.confirm_delivery()
        channel.basic_publish("", "counted", b"poison")
        seen = []
        for _ in range(3):
            method, properties, _ = get(channel, "counted", ack=False)
            seen.append((properties.headers or {}).get("x-delivery-count"))
            channel.basic_reject(method.delivery_tag, requeue=True)
        show("delivery counts", seen)
        _, properties, body = get(channel, "failed")
        show("reason", (body, properties.headers["x-death"][0]["reason"]))
        channel.queue_delete("counted")
        channel.queue_delete("failed")


@scenario
def streams():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("history", durable=True, arguments={"x-queue-type": "stream"})
        for n in range(5):
            channel.basic_publish("", "history", b"%d" % n, pika.BasicProperties(headers={"n": n}))
        long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
        starts = {"first": 5, 3: 2, "last": 1, long_ago: 5, "1h": 5, "next": 1, 0: 6}
        for start, wanted in starts.items():
            reader = connection.channel()
            reader.basic_qos(prefetch_count=10)
            got = []

            def take(ch, method, properties, body, got=got):
                got.append((properties.headers["x-stream-offset"], body))
                ch.basic_ack(method.delivery_tag)

            reader.basic_consume("history", take, arguments={"x-stream-offset": start})
            if start == "next":
                channel.basic_publish("", "history", b"5")
            deadline = time.monotonic() + PATIENCE
            while len(got) < wanted and time.monotonic() < deadline:
                connection.process_data_events(time_limit=0.05)
            show(f"stream from {start}", got)
            reader.close()
        channel.queue_delete("history")


@scenario
def streams_forget_what_is_too_much_or_too_old():
    limits = {"much": {"x-max-length-bytes": 20_000}, "old": {"x-max-age": "1s"}, "all": {}}
    published = {name: 0 for name in limits}

    def publish(channel, stream, wanted, body=b"x" * 1_000):
        for _ in range(wanted):
            channel.basic_publish("", stream, body)
        published[stream] += wanted

    def offsets(stream):
        """The offsets of all that a stream still has, read to its end."""
        with connect() as connection:
            channel, reader = connection.channel(), connection.channel()
            channel.confirm_delivery()
            reader.basic_qos(prefetch_count=100)
            got = []

            def take(ch, method, properties, body):
                got.append((properties.headers["x-stream-offset"], body))
                ch.basic_ack(method.delivery_tag)

            reader.basic_consume(stream, take, arguments={"x-stream-offset": "first"})
            end = b"the end, message %d" % published[stream]
            publish(channel, stream, 1, end)
            deadline = time.monotonic() + PATIENCE
            while not (got and got[-1][1] == end) and time.monotonic() < deadline:
                connection.process_data_events(time_limit=0.05)
            have = [offset for offset, _ in got]
            assert have == sorted(set(have)), have
            return have

    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for name, limit in limits.items():
            arguments = {"x-queue-type": "stream", "x-stream-max-segment-size-bytes": 5_000, **limit}
            show(f"{name} declared", refused(lambda: connection.channel().queue_declare(name, durable=True, arguments=arguments)))
            publish(channel, name, 100)

        def forgets(name):
            # What is to go is looked at when a segment is full.
            publish(channel, name, 10)
            try:
                have = offsets(name)
            except pika.exceptions.ConnectionClosedByBroker:
                # A RabbitMQ that deletes just what is read from fails with 541.
                return None
            return have[0] > 0 and have

        for name in ("much", "old"):
            show(f"{name}: the oldest is gone", until(f"{name} forgets", lambda: forgets(name))[0] > 0)
        publish(channel, "much", 20)
        kept = until("much is read", lambda: forgets("much"))
        show("much: about as much as it may have is kept", 10 <= len(kept) <= 60)
        show("all: nothing is gone", len(offsets("all")))
        for name in limits:
            channel.queue_delete(name)


@scenario
def a_single_active_consumer_and_get():
    with connect() as connection:
        for kind in ("classic", "quorum"):
            channel = connection.channel()
            name = f"single.{kind}"
            arguments = {"x-queue-type": kind, "x-single-active-consumer": True}
            channel.queue_declare(name, durable=True, arguments=arguments)
            channel.confirm_delivery()
            for n in range(2):
                channel.basic_publish("", name, b"%d" % n)
            show(f"{kind}: get before there is a consumer", refused(lambda: connection.channel().basic_get(name, auto_ack=True)))
            channel.basic_consume(name, lambda *_: None)
            show(f"{kind}: get beside a consumer", refused(lambda: connection.channel().basic_get(name, auto_ack=True)))
            connection.channel().queue_delete(name)


@scenario
def quorum_queues_bury_what_failed_too_often():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("buried", durable=True)
        arguments = {"x-queue-type": "quorum", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "buried"}

        def deaths(headers):
            return [{key: value for key, value in death.items() if key != "time"} for death in headers["x-death"]]

        for limit in (0, 1, 3):
            queue = f"limit.{limit}"
            channel.queue_declare(queue, durable=True, arguments={**arguments, "x-delivery-limit": limit})
            channel.basic_publish("", queue, b"poison", pika.BasicProperties(headers={"kept": "yes"}))
            seen = []
            while count(channel, "buried") == 0 and len(seen) < 9:
                method, properties, _ = get(channel, queue, ack=False)
                seen.append((method.redelivered, (properties.headers or {}).get("x-delivery-count")))
                channel.basic_reject(method.delivery_tag, requeue=True)
                until("it is back or buried", lambda: count(channel, queue) + count(channel, "buried") == 1)
            show(f"limit {limit}: deliveries", seen)
            method, properties, body = get(channel, "buried")
            headers = properties.headers
            show(f"limit {limit}: dead letter", (method.exchange, method.routing_key, body, headers["kept"]))
            show(f"limit {limit}: deaths", deaths(headers))
            show(f"limit {limit}: first death", [headers.get("x-first-death-" + one) for one in ("reason", "queue", "exchange")])
            channel.queue_delete(queue)
        queue = "returned"
        channel.queue_declare(queue, durable=True, arguments={**arguments, "x-delivery-limit": 1})
        for given in ("nack", "reject"):
            channel.basic_publish("", queue, given.encode())
            method = get(channel, queue, ack=False)[0]
            give_back = channel.basic_nack if given == "nack" else channel.basic_reject
            give_back(method.delivery_tag, requeue=False)
            _, properties, body = get(channel, "buried")
            show(f"{given} without requeue", (body, deaths(properties.headers)))
        channel.basic_publish("", queue, b"handed back")
        seen = []
        for _ in range(3):
            until("it is back or buried", lambda: count(channel, queue) + count(channel, "buried") == 1)
            if count(channel, "buried"):
                break
            method, properties, _ = get(channel, queue, ack=False)
            seen.append((method.redelivered, (properties.headers or {}).get("x-delivery-count")))
            channel.basic_nack(method.delivery_tag, requeue=True)
        show("nack with requeue, three times", (seen, count(channel, "buried")))
        fallen = connect()
        channel.queue_purge(queue)
        channel.queue_purge("buried")
        channel.basic_publish("", queue, b"dropped")
        for _ in range(2):
            get(fallen.channel(), queue, ack=False)
            fallen.close()
            until("it is back or buried", lambda: count(channel, queue) + count(channel, "buried") == 1)
            fallen = connect()
        show("two connections that fell", (count(channel, queue), count(channel, "buried")))
        fallen.close()
        for name in (queue, "buried"):
            channel.queue_delete(name)


@scenario
def no_more_channels_than_agreed_on():
    connection = connect(channel_max=3)
    for number in range(1, 4):
        connection.channel(number)
    try:
        connection.channel(4)
        show("a channel too many", "taken")
    except pika.exceptions.ConnectionClosedByBroker as error:
        show("a channel too many", (error.reply_code, error.reply_text))
    with connect(channel_max=3) as connection:
        channels = [connection.channel(number) for number in range(1, 4)]
        channels[1].close()
        show("a channel in the place of another", connection.channel(2).is_open)


@scenario
def expiry():
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("fleeting", arguments={"x-message-ttl": 1})
        channel.basic_publish("", "fleeting", b"x")
        show("message", settled(channel, "fleeting", 0))
        channel.queue_declare("unused", arguments={"x-expires": 50})
        gone = until("the queue goes", lambda: refused(lambda: connection.channel().queue_declare("unused", passive=True)) != "taken" or time.sleep(0.2))
        show("queue", gone)
        channel.queue_delete("fleeting")


@scenario
def messages_survive_their_connection():
    connection = connect()
    channel = connection.channel()
    channel.queue_declare("kept")
    for n in range(3):
        channel.basic_publish("", "kept", b"%d" % n)
    settled(channel, "kept", 3)
    for _ in range(2):
        get(channel, "kept", ack=False)
    # Without a goodbye.
    connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)
    with connect() as connection:
        channel = connection.channel()
        settled(channel, "kept", 3)
        show("kept", [(b, m.redelivered) for m, _, b in (get(channel, "kept") for _ in range(3))])
        channel.queue_delete("kept")


if __name__ == "__main__":
    wanted = sys.argv[2:] or list(SCENARIOS)
    for name in wanted:
        print(f"== {name}", flush=True)
        try:
            SCENARIOS[name]()
        except Exception as error:  # What a broker makes a client throw is an observation too.
            show("FAILED", repr(error))
