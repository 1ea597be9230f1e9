"""Shovels between RabbitMQ and Sluice, run by either, and by a Sluice that speaks AMQP with nobody else.

usage: shovels_across.py SLUICE DIRECTORY SLUICE_AMQP SLUICE_HTTP RABBITMQ_AMQP RABBITMQ_HTTP
"""
import os
import re
import signal
import subprocess
import sys

import pika

from management_api import call
from waiting import until

SLUICE, HOME = sys.argv[1], os.path.join(sys.argv[2], "between")
OURS, THEIRS = (int(sys.argv[3]), int(sys.argv[4])), (int(sys.argv[5]), int(sys.argv[6]))
COUNT = 2000
# How many wait before a shovel that is to be interrupted begins.
MANY = 8000


class Broker:
    def __init__(self, ports):
        self.amqp, self.http = ports
        self.connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.amqp, heartbeat=0))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def uri(self):
        return f"amqp://guest:guest@127.0.0.1:{self.amqp}"

    def declare(self, queue):
        self.channel.queue_declare(queue, durable=True)

    def fill(self, queue, numbers):
        for number in numbers:
            headers = {"n": number, "list": [1, "two", None], "inner": {"a": True}}
            properties = pika.BasicProperties(delivery_mode=2, headers=headers, message_id=str(number), priority=number % 5)
            self.channel.basic_publish("", queue, b"%d" % number * 10, properties)

    def count(self, queue):
        return self.channel.queue_declare(queue, passive=True).method.message_count

    def drain(self, queue):
        while True:
            method, properties, body = self.channel.basic_get(queue, auto_ack=True)
            if method is None:
                return
            yield properties, body


def check(came):
    numbers = []
    for properties, body in came:
        number = int(properties.message_id)
        assert body == b"%d" % number * 10 and properties.priority == number % 5 and properties.delivery_mode == 2
        assert properties.headers["n"] == number and properties.headers["inner"] == {"a": True}, properties.headers
        assert properties.headers["list"] == [1, "two", None], properties.headers
        numbers.append(number)
    return numbers


ours, theirs = Broker(OURS), Broker(THEIRS)
for name, runner, source, destination, src, dest in (
    ("RabbitMQ to Sluice by Sluice", ours, theirs, ours, theirs.uri(), "amqp://"),
    ("Sluice to RabbitMQ by Sluice", ours, ours, theirs, "amqp://", theirs.uri()),
    ("RabbitMQ to Sluice by RabbitMQ", theirs, theirs, ours, "amqp://", ours.uri()),
    ("Sluice to RabbitMQ by RabbitMQ", theirs, ours, theirs, ours.uri(), "amqp://"),
):
    for broker in (source, destination):
        broker.declare("a.from"), broker.declare("a.to")
    source.fill("a.from", range(COUNT))
    value = {"src-uri": src, "src-queue": "a.from", "dest-uri": dest, "dest-queue": "a.to", "src-delete-after": "queue-length"}
    status, answer = call(runner.http, "PUT", "parameters/shovel/%2F/a", {"value": value})
    assert status in (201, 204), answer
    until(name, lambda: call(runner.http, "GET", "parameters/shovel/%2F/a")[0] == 404)
    assert check(destination.drain("a.to")) == list(range(COUNT)), name
    assert source.count("a.from") == 0
    print(f"{name}: {COUNT} messages as they were, in order")


# A Sluice without an AMQP listener, killed while it moves messages from one of them to the other.
def start():
    os.makedirs(HOME, exist_ok=True)
    log = open(os.path.join(HOME, "log"), "w+", encoding="utf-8")
    command = [SLUICE, "serve", "--http", "127.0.0.1:0", "--kafka", "off", "--amqp", "off", "--data-dir", os.path.join(HOME, "data")]
    server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    ready = lambda: re.search(r"sluice is ready: http://127.0.0.1:(\d+)", open(log.name, encoding="utf-8").read())  # noqa: E731
    until("the server is ready", lambda: server.poll() is not None or ready())
    return server, int(ready()[1])


theirs.fill("a.from", range(MANY))
server, http = start()
value = {"src-uri": theirs.uri(), "src-queue": "a.from", "dest-uri": ours.uri(), "dest-queue": "a.to", "src-prefetch-count": 50}
assert call(http, "PUT", "parameters/shovel/%2F/a", {"value": value})[0] == 201
came = 0
for life in range(4):
    until("some more have come", lambda: ours.count("a.to") > came + 200)
    server.send_signal(signal.SIGKILL)
    server.wait()
    came = ours.count("a.to")
    assert came < MANY, "it was too quick to be interrupted"
    server, http = start()
    shown = call(http, "GET", "parameters/shovel/%2F/a")[1]["value"]
    assert shown == value, shown
until("all have been taken", lambda: theirs.count("a.from") == 0)
# Within its own broker, too, though it listens to nobody.
here = {"src-uri": "amqp://", "src-queue": "b.from", "dest-uri": ours.uri(), "dest-queue": "b.to", "src-delete-after": 1}
assert call(http, "PUT", "queues/%2F/b.from", {"durable": True})[0] == 201
message = {"properties": {}, "routing_key": "b.from", "payload": "x", "payload_encoding": "string"}
assert call(http, "POST", "exchanges/%2F/amq.default/publish", message)[1] == {"routed": True}
assert call(http, "PUT", "parameters/shovel/%2F/b", {"value": here})[0] == 201
until("the other is done", lambda: call(http, "GET", "parameters/shovel/%2F/b")[0] == 404)
assert [body for _, body in ours.drain("b.to")] == [b"x"]
server.terminate()
assert server.wait(60) == 0
came = check(ours.drain("a.to"))
assert set(came) == set(range(MANY)), f"lost {sorted(set(range(MANY)) - set(came))[:10]}"
print(f"between the two by a third one: {MANY} messages through 4 kills, none lost, {len(came) - MANY} twice")
for broker in (ours, theirs):
    for queue in ("a.from", "a.to", "b.to"):
        broker.channel.queue_delete(queue)
