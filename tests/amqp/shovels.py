"""Shovels within one broker, and what its management API says of them. Prints what is observed, one named line each.

usage: shovels.py AMQP_PORT HTTP_PORT
"""
import functools
import html
import json
import sys

import pika

import management_api
from waiting import until

AMQP, HTTP = int(sys.argv[1]), int(sys.argv[2])
call = functools.partial(management_api.call, HTTP)
URI = f"amqp://guest:guest@127.0.0.1:{AMQP}"


def plain(value):
    """Without what is another one every time; RabbitMQ writes reasons for pages."""
    return html.unescape(json.dumps(value, sort_keys=True)).replace(str(AMQP), "PORT")


def put(name, value, vhost="%2F"):
    return call("PUT", f"parameters/shovel/{vhost}/{name}", {"value": value})


def tell(name, answer):
    status, body = answer
    print(f"{name}: {status}")
    for key, value in (body or {}).items() if isinstance(body, dict) else ():
        print(f"{name} .{key}: {plain(value)}")


def state(name):
    return next((one for one in call("GET", "shovels")[1] if one["name"] == name), None)


connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", AMQP, heartbeat=0))
channel = connection.channel()
channel.confirm_delivery()


def count(queue):
    fresh = connection.channel()
    try:
        found = fresh.queue_declare(queue, passive=True).method.message_count
        fresh.close()
        return found
    except pika.exceptions.ChannelClosedByBroker:
        return None


def fill(queue, numbers, **properties):
    channel.queue_declare(queue, durable=True)
    for number in numbers:
        channel.basic_publish("", queue, b"%d" % number, pika.BasicProperties(delivery_mode=2, **properties))


def drain(queue):
    found = []
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return found
        found.append((method, properties, body))


BASE = {"src-uri": URI, "src-queue": "s.from", "dest-uri": URI, "dest-queue": "s.to"}

# What the API refuses, and how.
for name, more in {
    "no source": {"src-queue": None},
    "two sources": {"src-exchange": "x"},
    "two destinations": {"dest-exchange": "x"},
    "no-ack with a number": {"ack-mode": "no-ack", "src-delete-after": 5},
    "no src-uri": {"src-uri": None},
    "no dest-uri": {"dest-uri": None},
    "src-uri of another kind": {"src-uri": "http://h"},
    "src-uri a number": {"src-uri": 5},
    "unknown setting": {"colour": "red"},
    "ack-mode": {"ack-mode": "never"},
    "src-queue a number": {"src-queue": 5},
    "dest-queue too long": {"dest-queue": "q" * 256},
    "prefetch a text": {"src-prefetch-count": "many"},
    "delete-after below zero": {"src-delete-after": -1},
    "delete-after a word": {"delete-after": "soon"},
    "reconnect-delay a text": {"reconnect-delay": "x"},
    "forward headers a text": {"dest-add-forward-headers": "x"},
    "unknown property": {"dest-publish-properties": {"colour": 1}},
    "property of another type": {"dest-publish-properties": {"delivery_mode": "two"}},
    "src-protocol unknown": {"src-protocol": "mqtt"},
    "dest-protocol a number": {"dest-protocol": 5},
    "vhost that is not there": {"src-uri": "amqp:///none"},
}.items():
    value = {key: value for key, value in (BASE | more).items() if value is not None}
    tell(f"refused {name}", put("s.refused", value))
tell("no value", call("PUT", "parameters/shovel/%2F/s.refused", {}))
tell("value a number", call("PUT", "parameters/shovel/%2F/s.refused", {"value": 5}))
tell("no such vhost", put("s.refused", BASE, "none"))
tell("no such component", call("PUT", "parameters/none/%2F/s.refused", {"value": {}}))
tell("nothing kept", call("GET", "parameters/shovel/%2F/s.refused"))
print(f"none listed: {call('GET', 'parameters/shovel')} {call('GET', 'shovels')}")
tell("delete none", call("DELETE", "parameters/shovel/%2F/s.refused"))

# One at work.
fill("s.from", range(50), app_id="mine", headers={"h": 1})
tell("made", put("s.run", BASE | {"dest-add-forward-headers": True, "dest-add-timestamp-header": True}))
tell("made again", put("s.run", BASE | {"dest-add-forward-headers": True, "dest-add-timestamp-header": True}))
until("all have come", lambda: count("s.to") == 50)
stands = until("it runs", lambda: (state("s.run") or {}).get("state") == "running" and state("s.run"))
for key, value in sorted(stands.items()):
    shown = "NODE" if key == "node" else "TIME" if key == "timestamp" else plain(value)
    print(f"running .{key}: {shown}")
came = drain("s.to")
print(f"in order: {[body for _, _, body in came] == [b'%d' % n for n in range(50)]}")
method, properties, body = came[0]
print(f"it came as: {method.exchange!r} {method.routing_key!r} {properties.app_id} {properties.delivery_mode}")
print(f"its headers: {sorted(properties.headers)} {type(properties.headers['x-shovelled-timestamp']).__name__}")
way = {key: value for key, value in properties.headers["x-shovelled"][0].items() if key != "shovelled-by"}
print(f"its way: {plain(way)}")
tell("the parameter", call("GET", "parameters/shovel/%2F/s.run"))
print(f"parameters: {plain(call('GET', 'parameters/shovel/%2F'))}")
print(f"definitions: {plain(call('GET', 'definitions')[1]['parameters'])}")
tell("the shovel", call("GET", "shovels/vhost/%2F/s.run"))
print(f"shovels of none: {call('GET', 'shovels/none')[0]}")
print(f"restart: {call('DELETE', 'shovels/vhost/%2F/s.run/restart')[0]}")
print(f"restart none: {call('DELETE', 'shovels/vhost/%2F/s.none/restart')[0]}")
fill("s.from", range(3))
until("it moves again", lambda: count("s.to") == 3)
print(f"deleted: {call('DELETE', 'shovels/vhost/%2F/s.run')[0]}")
until("it is gone", lambda: state("s.run") is None)
print(f"deleted again: {call('DELETE', 'parameters/shovel/%2F/s.run')[0]}")
drain("s.to")

# Properties and ways.
fill("s.from", range(2), content_type="text/plain", message_id="i", priority=3, correlation_id="c", type="t", timestamp=5)
put("s.props", BASE | {"publish-properties": {"app_id": "other", "delivery_mode": 1, "content_type": "x/y"}})
until("they have come", lambda: count("s.to") == 2)
properties = drain("s.to")[0][1]
print(f"properties: {sorted((key, str(value)) for key, value in vars(properties).items() if value is not None)}")
call("DELETE", "parameters/shovel/%2F/s.props")
channel.exchange_declare("s.x", "topic", durable=True)
channel.exchange_declare("s.y", "topic", durable=True)
channel.queue_declare("s.y", durable=True)
channel.queue_bind("s.y", "s.y", "a.#")
put("s.exchanges", {"src-uri": URI, "src-exchange": "s.x", "src-exchange-key": "a.*", "dest-uri": URI, "dest-exchange": "s.y"})
until("it runs", lambda: (state("s.exchanges") or {}).get("state") == "running")
stands = state("s.exchanges")
print(f"ends: {[(key, stands.get(key)) for key in ('src_exchange', 'src_exchange_key', 'src_queue', 'dest_exchange', 'dest_queue')]}")
for key in ("a.b", "a.b.c", "b"):
    channel.basic_publish("s.x", key, key.encode())
until("it has come", lambda: count("s.y") == 1)
method, _, body = drain("s.y")[0]
print(f"through exchanges: {method.exchange} {method.routing_key} {body}")
call("DELETE", "parameters/shovel/%2F/s.exchanges")
put("s.lost", BASE | {"dest-queue": "s.gone"})
until("its queue is there", lambda: count("s.gone") == 0)
fill("s.from", range(2))
until("they have come", lambda: count("s.gone") == 2)
call("DELETE", "parameters/shovel/%2F/s.lost")
# What can be routed nowhere counts as taken.
put("s.nowhere", {key: value for key, value in BASE.items() if key != "dest-queue"} | {"dest-exchange": "s.y", "dest-exchange-key": "none"})
fill("s.from", range(5))
until("they are gone", lambda: count("s.from") == 0)
print(f"to nowhere: {count('s.y')}")
call("DELETE", "parameters/shovel/%2F/s.nowhere")

# Until it is done.
for mode in ("on-confirm", "on-publish"):
    for after in (0, 7, "queue-length"):
        fill("s.from", range(20))
        put("s.done", BASE | {"src-delete-after": after, "ack-mode": mode})
        until("it is done", lambda: call("GET", "parameters/shovel/%2F/s.done")[0] == 404)
        until("the rest is back", lambda: count("s.from") + count("s.to") == 20)
        print(f"done {mode} {after}: {count('s.from')} left, {count('s.to')} came")
        drain("s.from"), drain("s.to")

# What goes wrong while it works.
channel.queue_declare("s.full", durable=True, arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
fill("s.from", range(6))
put("s.full", BASE | {"dest-queue": "s.full"})
came = []
while len(came) < 6:
    until("some have come", lambda: count("s.full"))
    came += [body for _, _, body in drain("s.full")]
print(f"refused for a while: {sorted(came)}")
call("DELETE", "parameters/shovel/%2F/s.full")
for queue in ("s.from", "s.to", "s.gone", "s.y", "s.full"):
    channel.queue_delete(queue)
for exchange in ("s.x", "s.y"):
    channel.exchange_delete(exchange)
print(f"none left: {call('GET', 'parameters')} {call('GET', 'shovels')}")
connection.close()
