"""What this broker does for AMQP clients and the RabbitMQ beside it does not: it is newer there, or a plugin's, or configured.

usage: own.py PORT
The broker was started with at most 3 consumers on a channel, 4 channels on a connection, and 5 connections.
"""
import sys
import time

import pika

from waiting import until

PORT = int(sys.argv[1])
PATIENCE = 20


def connect(**more):
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", PORT, **more))


def get(channel, queue):
    return until(f"a message in {queue}", lambda: (lambda got: got[0] and got)(channel.basic_get(queue)))


def expect(have, want):
    assert have == want, f"{have!r} instead of {want!r}"


def ends(connection, act):
    """How a connection, or else the channel, is closed by what is done."""
    try:
        act()
        connection.process_data_events(0)
    except (pika.exceptions.ConnectionClosedByBroker, pika.exceptions.ChannelClosedByBroker) as error:
        return type(error).__name__, error.reply_code, error.reply_text
    return "nothing"


def who_keeps_a_message_too_long_is_sent_away():
    slow = {"x-queue-type": "quorum", "x-consumer-timeout": 200}
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("slow", durable=True, arguments=slow)
        channel.basic_publish("", "slow", b"kept")
        cancelled, held = [], []
        channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
        channel.basic_consume("slow", lambda ch, m, p, b: held.append(m.delivery_tag), consumer_tag="sleeper")
        deadline = time.monotonic() + PATIENCE
        while not cancelled and time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.05)
        expect((cancelled, len(held)), (["sleeper"], 1))
        method, properties, body = get(connection.channel(), "slow")
        expect((body, method.redelivered), (b"kept", True))
    # Whoever cannot be told of a cancelled consumer loses the channel, and the message is back.
    deaf = connect(client_properties={"capabilities": {"consumer_cancel_notify": False}})
    channel = deaf.channel()
    channel.basic_consume("slow", lambda *_: None)

    closed = []
    channel._impl.add_on_close_callback(lambda _, reason: closed.append((reason.reply_code, reason.reply_text)))
    deadline = time.monotonic() + PATIENCE
    while not closed and time.monotonic() < deadline:
        deaf.process_data_events(time_limit=0.05)
    expect(closed, [(406, "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out")])
    other = deaf.channel()
    expect(get(other, "slow")[2], b"kept")
    other.queue_delete("slow")
    deaf.close()


def an_exchange_holds_messages_back():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare("later", "x-delayed-message", durable=True, arguments={"x-delayed-type": "topic"})
        channel.queue_declare("due", durable=True)
        channel.queue_bind("due", "later", "a.*")
        began = time.monotonic()
        for body, delay in ((b"last", 2_500), (b"middle", 500), (b"at once", 0), (b"plain", None)):
            headers = {"kept": "yes"} if delay is None else {"kept": "yes", "x-delay": delay}
            channel.basic_publish("later", "a.b", body, pika.BasicProperties(headers=headers))
        got = []
        for least in (0, 0, 0.5, 2.5):
            method, properties, body = get(channel, "due")
            got.append((body, method.exchange, method.routing_key, properties.headers["kept"]))
            assert time.monotonic() - began >= least, f"{body} came too early"
        expect(got, [(body, "later", "a.b", "yes") for body in (b"at once", b"plain", b"middle", b"last")])
        refused = connect()
        kind = {"x-delayed-type": "x-delayed-message"}
        name, code, _ = ends(refused, lambda: refused.channel().exchange_declare("odd", "x-delayed-message", arguments=kind))
        expect((name, code), ("ChannelClosedByBroker", 406))
        refused.close()
        channel.exchange_delete("later")
        channel.queue_delete("due")


def a_failed_message_waits_longer_each_time():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("gone", durable=True)
        arguments = {
            "x-queue-type": "quorum", "x-delayed-retry-type": "failed", "x-delayed-retry-min": 200, "x-delayed-retry-max": 300,
            "x-delivery-limit": 3, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "gone",
        }
        channel.queue_declare("again", durable=True, arguments=arguments)
        channel.basic_publish("", "again", b"hard")
        counts = []
        for least in (0, 0.2, 0.3, 0.3):
            asked = time.monotonic()
            method, properties, _ = get(channel, "again")
            assert time.monotonic() - asked >= least - 0.01, f"attempt {len(counts)} came too early"
            counts.append(properties.headers["x-delivery-count"])
            channel.basic_reject(method.delivery_tag, requeue=True)
        expect(counts, [0, 1, 2, 3])
        _, properties, body = get(channel, "gone")
        expect((body, properties.headers["x-death"][0]["reason"]), (b"hard", "delivery_limit"))
        # What only comes back unread does not wait.
        channel.basic_publish("", "again", b"soft")
        channel.basic_nack(get(channel, "again")[0].delivery_tag, requeue=True)
        expect(channel.queue_declare("again", durable=True, passive=True).method.message_count, 1)
        for queue in ("again", "gone"):
            channel.queue_delete(queue)


def limits_are_told():
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare("crowded")
        for _ in range(3):
            channel.basic_consume("crowded", lambda *_: None)
    crowd = connect()
    channel = crowd.channel()
    for _ in range(3):
        channel.basic_consume("crowded", lambda *_: None)
    text = "NOT_ALLOWED - reached maximum (3) of consumers per channel"
    expect(ends(crowd, lambda: channel.basic_consume("crowded", lambda *_: None)), ("ConnectionClosedByBroker", 530, text))
    # More than the server offers cannot be agreed on, and what was agreed on holds.
    many = connect()
    for number in range(1, 5):
        many.channel(number)
    text = "NOT_ALLOWED - number of channels opened (4) has reached the negotiated channel_max (4)"
    expect(ends(many, lambda: many.channel(5)), ("ConnectionClosedByBroker", 530, text))
    held = [connect() for _ in range(5)]
    try:
        connect()
        raise AssertionError("a connection too many was taken")
    except pika.exceptions.AMQPConnectionError:
        pass
    held.pop().close()

    def enter():
        try:
            return connect()
        except pika.exceptions.AMQPConnectionError:
            return None

    held.append(until("the place of one that went", enter))
    held[0].channel().queue_delete("crowded")
    for connection in held:
        connection.close()


for check in (
    who_keeps_a_message_too_long_is_sent_away, an_exchange_holds_messages_back, a_failed_message_waits_longer_each_time, limits_are_told,
):
    check()
    print(check.__name__.replace("_", " "))
