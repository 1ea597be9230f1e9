"""One queue through two doors: published by AMQP and settled over HTTP, and the other way round; AMQP into a log.

usage: doors.py AMQP_PORT HTTP_PORT KAFKA_PORT
"""
import json
import sys
import time
import urllib.request

import confluent_kafka
import pika

AMQP, HTTP, KAFKA = map(int, sys.argv[1:4])


def http(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{HTTP}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
        return json.loads(text) if text else None


connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", AMQP))
channel = connection.channel()
channel.confirm_delivery()
channel.queue_declare("doors", durable=True)

properties = pika.BasicProperties(headers={"n": 7, "deep": {"a": [1]}}, content_type="application/json", correlation_id="c1")
channel.basic_publish("", "doors", b'{"by":"amqp"}', properties)
[message] = http("POST", "/v1/topics/doors/receive", {"max": 1, "wait_ms": 10000})["messages"]
assert message["value"] == {"by": "amqp"}, message
assert message["content_type"] == "application/json" and message["attempt"] == 1, message
settled = http("POST", "/v1/settle", {"nack": [{"lease": message["lease"]}]})
again = None
deadline = time.monotonic() + 10
while again is None and time.monotonic() < deadline:
    method, got, body = channel.basic_get("doors")
    again = method and (method, got, body)
method, got, body = again
# What an HTTP client gave back reaches the AMQP client as it was published, and marked as delivered before.
assert method.redelivered and body == b'{"by":"amqp"}'
assert (got.headers, got.correlation_id, got.content_type) == (properties.headers, "c1", "application/json"), got
channel.basic_ack(method.delivery_tag)

http("POST", "/v1/topics/doors/messages", {"messages": [{"value": "by http", "headers": {"k": "v"}, "priority": 3}]})
method, got, body = channel.basic_get("doors")
assert body == b"by http" and got.headers["k"] == "v", (body, got)
channel.basic_nack(method.delivery_tag, requeue=True)
[message] = http("POST", "/v1/topics/doors/receive", {"max": 1, "wait_ms": 10000})["messages"]
assert message["attempt"] == 2 and message["value"] == "by http", message
http("POST", "/v1/settle", {"ack": [message["lease"]]})
assert channel.queue_declare("doors", passive=True).method.message_count == 0

http("PUT", "/v1/topics/doors-log", {"model": "log", "log": {"partitions": 1}})
channel.exchange_declare("doors-exchange", "topic")
channel.queue_bind("doors-log", "doors-exchange", "to.#")
properties = pika.BasicProperties(headers={"k": "v"}, message_id="m1", priority=3, delivery_mode=2, content_type="text/plain")
channel.basic_publish("doors-exchange", "to.log", b"routed", properties, mandatory=True)
channel.basic_publish("", "doors-log", b"by name", mandatory=True)
records = http("GET", "/v1/topics/doors-log/partitions/0/records?offset=earliest&wait_ms=5000")["records"]
assert [record["value"] for record in records] == ["routed", "by name"], records
# A Kafka client reads the same, an AMQP message's properties as headers.
consumer = confluent_kafka.Consumer({"bootstrap.servers": f"127.0.0.1:{KAFKA}", "group.id": "doors", "auto.offset.reset": "earliest"})
consumer.subscribe(["doors-log"])
got, deadline = [], time.monotonic() + 60
while len(got) < 2:
    assert time.monotonic() < deadline, got
    message = consumer.poll(1)
    if message and not message.error():
        got.append(message)
assert [message.value() for message in got] == [b"routed", b"by name"], got
headers = dict(got[0].headers())
expected = {"k": b"v", "amqp-message-id": b"m1", "amqp-priority": b"3", "amqp-delivery-mode": b"2", "content-type": b"text/plain"}
assert headers == expected, headers
consumer.close()
# The same names in another virtual host are other things.
http("PUT", "/v1/vhosts/doors-host", {})
elsewhere = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", AMQP, "doors-host"))
there = elsewhere.channel()
there.confirm_delivery()
there.queue_declare("doors", durable=True)
there.exchange_declare("doors-exchange", "fanout")
there.queue_bind("doors", "doors-exchange")
there.basic_publish("doors-exchange", "k", b"there", mandatory=True)
there.basic_publish("", "doors", b"there too", mandatory=True)
assert channel.queue_declare("doors", passive=True).method.message_count == 0
method, _, body = there.basic_get("doors", auto_ack=True)
assert (method.exchange, method.routing_key, body) == ("doors-exchange", "k", b"there"), method
[message] = http("POST", "/v1/topics/doors-host%2Fdoors/receive", {"max": 1, "wait_ms": 10000})["messages"]
assert message["value"] == "there too", message
try:
    there.queue_declare("nothing", passive=True)
    raise AssertionError("a queue that is not there was found")
except pika.exceptions.ChannelClosedByBroker as error:
    assert error.reply_text == "NOT_FOUND - no queue 'nothing' in vhost 'doors-host'", error
elsewhere.close()
http("DELETE", "/v1/vhosts/doors-host")

channel.exchange_delete("doors-exchange")
channel.queue_delete("doors")
channel.queue_delete("doors-log")
connection.close()
print("doors: AMQP to HTTP and back, AMQP into a log and from there to Kafka, and virtual hosts")
