"""What tools see of a broker through its management API. Prints what is observed, one named line each.

usage: management.py AMQP_PORT HTTP_PORT
"""
import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import pika

from waiting import until

AMQP, HTTP = int(sys.argv[1]), int(sys.argv[2])
GUEST = "Basic " + base64.b64encode(b"guest:guest").decode()
# Figures that say how a broker fares, not what it did: only that they are there, and what they are, is compared.
FIGURES = {
    "memory", "peer_port", "port", "connected_at", "recv_oct", "send_oct", "recv_cnt", "send_cnt", "ports", "idle_since",
    "client_properties", "password_hash", "channel_max", "reductions", "os_pid", "uptime", "processors", "fd_total",
    "fd_used", "sockets_total", "sockets_used", "mem_used", "mem_limit", "disk_free", "disk_free_limit", "db_dir",
    "context_switches", "gc_num", "gc_bytes_reclaimed", "run_queue", "proc_used", "proc_total", "rabbitmq_version",
    "management_version", "product_version", "product_name", "rabbit_version", "cluster_name", "consumer_capacity",
    "consumer_utilisation", "connection_created", "connection_closed", "channel_created", "channel_closed", "queue_created",
    "queue_declared", "queue_deleted", "default_queue_type",
}
# Lists that say what a broker is made of.
LISTS = {"exchange_types", "applications", "auth_mechanisms", "contexts", "listeners", "log_files", "config_files", "enabled_plugins"}
NODE = NAME = ""


def call(method, path, body=None, login=GUEST):
    data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {"content-type": "application/json"} | ({"authorization": login} if login else {})
    request = urllib.request.Request(f"http://127.0.0.1:{HTTP}/api/{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def get(path):
    status, _, body = call("GET", path)
    assert status == 200, (path, status, body)
    return json.loads(body)


def plain(key, value, everywhere=False):
    if key in FIGURES or everywhere:
        return type(value).__name__.replace("float", "int")
    if isinstance(value, str):
        if value == NODE:
            return "NODE"
        if " -> " in value:
            return "CONNECTION" + value[value.find(" (") :] if " (" in value else "CONNECTION"
    return json.dumps(value)


def flatten(prefix, value, key=""):
    """One line for every leaf; rates, which are measured, are left out."""
    if key in FIGURES or key in LISTS:
        yield prefix, plain(key, value) if key in FIGURES else type(value).__name__
    elif isinstance(value, dict) and value:
        for name, inner in value.items():
            if isinstance(inner, dict) and inner.keys() == {"rate"}:
                continue
            name = name.replace(NODE, "NODE")
            yield from flatten(f"{prefix}.{name}", inner, name)
    elif isinstance(value, list) and value:
        for at, inner in enumerate(value):
            name = at
            if isinstance(inner, dict):
                name = inner.get("name", inner.get("source", at))
                name = "ONE" if " -> " in str(name) else name
                name = f"{name}/{inner['destination']}" if "destination" in inner else name
                name = "NODE" if name == NODE else name
            yield from flatten(f"{prefix}[{name}]", inner, key)
    else:
        # What the whole broker did, the requests of this program did in part.
        yield prefix, plain(key, value, "message_stats" in prefix and not any(own in prefix + NAME for own in ("[m.", "/m.")))


def show(name, status, headers, body):
    global NAME
    NAME = name
    print(f"{name}: {status}")
    for header in ("content-type", "www-authenticate"):
        if headers.get(header):
            print(f"{name} {header}: {headers[header].split()[0]}")
    if not body:
        return
    try:
        answer = json.loads(body)
    except ValueError:
        print(f"{name} text: {body[:80]!r}")
        return
    for path, value in flatten("", answer):
        print(f"{name} {path}: {value}")


def look(path):
    show(f"GET {path}", *call("GET", path))


def change(method, path, body=None):
    show(f"{method} {path} {body if isinstance(body, str) else json.dumps(body)}"[:150].replace(": ", ":"), *call(method, path, body))


NODE = get("overview")["node"]
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", AMQP, client_properties={"connection_name": "mine"}))
channel = connection.channel()
channel.queue_declare("m.q", durable=True, arguments={"x-max-length": 5, "x-dead-letter-exchange": "m.dlx"})
channel.queue_declare("m.own", exclusive=True)
channel.exchange_declare("m.x", "topic", durable=True, arguments={"alternate-exchange": "amq.fanout"})
channel.queue_bind("m.q", "m.x", "a.#", arguments={"k": 1})
channel.exchange_bind("m.x", "amq.direct", "e2e")
channel.basic_qos(prefetch_count=7)
channel.confirm_delivery()
for n in range(3):
    channel.basic_publish("m.x", "a.b", b"m%d" % n, pika.BasicProperties(delivery_mode=2, headers={"h": 1}))
channel.basic_consume("m.q", lambda *_: None, consumer_tag="tag", arguments={"x-priority": 3})


def settled():
    connection.process_data_events(0)
    queue = get("queues/%2F/m.q")
    channels = get("channels")
    return queue.get("messages_unacknowledged") == 3 and queue.get("consumers") == 1 and channels and channels[0].get("messages_unacknowledged") == 3


until("the broker's figures are those of what was done", settled)
until("the sums are, too", lambda: get("overview")["queue_totals"].get("messages") == 3 and get("connections")[0].get("channels") == 1)

for path in (
    "overview", "nodes", "vhosts", "vhosts/%2F", "users", "users/guest", "users/nobody", "permissions", "permissions/%2F/guest",
    "users/guest/permissions", "vhosts/%2F/permissions", "topic-permissions", "exchanges", "exchanges/%2F/m.x", "queues",
    "queues/%2F/m.q", "queues/%2F/m.own", "queues?page=1&page_size=1&name=m.q", "queues/%2F?page=1&name=^m.q$&use_regex=true",
    "queues?columns=name,messages,message_stats.publish", "queues?sort=name&sort_reverse=true&columns=name",
    "queues?page=0", "queues?page=x", "queues?page=1&page_size=1000", "queues?page=9", "bindings", "bindings/%2F/e/m.x/q/m.q", "bindings/%2F/e/m.x/q/none",
    "bindings/%2F/e/none/q/m.q", "exchanges/%2F/m.x/bindings/source", "exchanges/%2F/m.x/bindings/destination",
    "queues/%2F/m.q/bindings", "connections", "channels", "consumers", "consumers/%2F", "vhosts/%2F/connections",
    "connections/username/guest", "connections/none", "channels/none", "policies", "policies/%2F", "policies/%2F/none",
    "operator-policies", "parameters", "parameters/shovel", "definitions", "definitions/%2F", "healthchecks/node",
    "health/checks/alarms", "health/checks/local-alarms", "health/checks/virtual-hosts", f"health/checks/port-listener/{AMQP}",
    "health/checks/port-listener/1", "health/checks/protocol-listener/amqp", "health/checks/protocol-listener/amqp091",
    "health/checks/protocol-listener/http", "health/checks/protocol-listener/mqtt", "health/checks/node-is-quorum-critical",
    "health/checks/node-is-mirror-sync-critical", "health/checks/certificate-expiration/1/weeks",
    "health/checks/certificate-expiration/1/ages", "aliveness-test/none", "whoami", "cluster-name", "extensions",
    "vhost-limits", "user-limits", "nothing", "vhosts/none", "queues/%2F/none", "queues/none", "queues/none/q", "exchanges/%2F/none",
    "aliveness-test/%2F",
):
    show("GET its port" if str(AMQP) in path else f"GET {path}", *call("GET", path))

show("no login", *call("GET", "whoami", login=None))
show("wrong password", *call("GET", "whoami", login="Basic Z3Vlc3Q6eA=="))

QUEUE = {"durable": True, "auto_delete": False, "arguments": {"x-max-length": 3}}
change("PUT", "queues/%2F/m.q2", {"durable": True, "arguments": {"x-max-length": "a"}})
change("PUT", "queues/%2F/m.q2", QUEUE)
change("PUT", "queues/%2F/m.q2", {**QUEUE, "auto_delete": "false"})
change("PUT", "queues/%2F/m.q2", {**QUEUE, "durable": False})
change("PUT", "queues/%2F/m.q2", "not json")
change("PUT", "queues/%2F/amq.q", QUEUE)
change("PUT", "queues/none/q", QUEUE)
change("PUT", "exchanges/%2F/m.x2", {"type": "topic", "durable": True})
change("PUT", "exchanges/%2F/m.x2", {"type": "topic", "durable": True})
change("PUT", "exchanges/%2F/m.x2", {"type": "fanout", "durable": True})
change("PUT", "exchanges/%2F/m.x3", {"type": "bad"})
change("PUT", "exchanges/%2F/m.x3", {})
change("PUT", "exchanges/%2F/amq.x", {"type": "topic"})
change("DELETE", "exchanges/%2F/m.x3")
change("DELETE", "exchanges/%2F/m.x3")
change("DELETE", "exchanges/%2F/amq.direct")
change("DELETE", "exchanges/%2F/m.x?if-unused=true")
change("POST", "bindings/%2F/e/m.x2/q/m.q2", {"routing_key": "k", "arguments": {"a": 1}})
change("POST", "bindings/%2F/e/m.x2/q/m.q2", {"routing_key": "b #/é"})
change("POST", "bindings/%2F/e/m.x2/q/none", {"routing_key": "k"})
change("POST", "bindings/%2F/e/none/q/m.q2", {})
change("POST", "bindings/%2F/e/amq.direct/e/m.x2", {})
look("bindings/%2F/e/amq.direct/e/m.x2")
look("bindings/%2F/e/m.x2/q/m.q2")
for binding in get("bindings/%2F/e/m.x2/q/m.q2"):
    key = urllib.parse.quote(binding["properties_key"], safe="")
    print(f"key {binding['routing_key']} found: {call('GET', 'bindings/%2F/e/m.x2/q/m.q2/' + key)[0]}")
change("DELETE", "bindings/%2F/e/amq.direct/e/m.x2/~")
change("DELETE", "bindings/%2F/e/amq.direct/e/m.x2/~")

MESSAGE = {
    "properties": {
        "delivery_mode": 2, "headers": {"a": 1, "b": [1, 2]}, "content_type": "text/plain", "priority": 3, "timestamp": 5,
        "expiration": "100000", "type": "t", "message_id": "i", "app_id": "p", "correlation_id": "c", "reply_to": "r",
    },
    "routing_key": "k", "payload": "hello", "payload_encoding": "string",
}
change("POST", "exchanges/%2F/m.x2/publish", MESSAGE)
change("POST", "exchanges/%2F/m.x2/publish", {**MESSAGE, "routing_key": "nowhere"})
change("POST", "exchanges/%2F/none/publish", MESSAGE)
change("POST", "exchanges/%2F/amq.default/publish", {"properties": {}, "routing_key": "m.q2", "payload": "//8=", "payload_encoding": "base64"})
change("POST", "exchanges/%2F/amq.default/publish", {"properties": {"priority": "x"}, "routing_key": "m.q2", "payload": "", "payload_encoding": "string"})
change("POST", "exchanges/%2F/amq.default/publish", {"properties": {}, "routing_key": "m.q2", "payload": "", "payload_encoding": "hex"})
change("POST", "exchanges/%2F/amq.default/publish", {"routing_key": "m.q2", "payload": "", "payload_encoding": "string"})
GET = {"count": 5, "ackmode": "ack_requeue_true", "encoding": "auto", "truncate": 3}
change("POST", "queues/%2F/m.q2/get", GET)
change("POST", "queues/%2F/m.q2/get", {"count": 1, "ackmode": "ack_requeue_false", "encoding": "base64"})
change("POST", "queues/%2F/m.q2/get", {"count": 1, "ackmode": "reject_requeue_true", "encoding": "auto"})
change("POST", "queues/%2F/m.q2/get", {"count": 1, "encoding": "auto"})
change("POST", "queues/%2F/m.q2/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "bad"})
change("POST", "queues/%2F/none/get", GET)
change("DELETE", "queues/%2F/m.q2/contents")
change("DELETE", "queues/%2F/none/contents")
change("POST", "queues/%2F/m.q2/actions", {"action": "bad"})
change("DELETE", "queues/%2F/m.q?if-unused=true")
change("DELETE", "queues/%2F/m.q?if-empty=true")
change("DELETE", "queues/%2F/m.own")
change("PUT", "vhosts/m.host", {})
change("PUT", "vhosts/m.host")
look("vhosts/m.host")
change("PUT", "queues/m.host/q", {"durable": True})
change("PUT", "queues/m.host/s", {"durable": True, "arguments": {"x-queue-type": "stream"}})
look("queues/m.host/s?columns=name,vhost,type,durable,arguments")
look("definitions/m.host")
change("DELETE", "vhosts/m.host")
change("DELETE", "vhosts/m.host")
POLICY = {"pattern": "^m[.]q", "definition": {"max-length": 9, "dead-letter-exchange": "d"}, "priority": 1, "apply-to": "queues"}
change("PUT", "policies/%2F/m.p", POLICY)
change("PUT", "policies/%2F/m.p", POLICY)
change("PUT", "policies/none/m.p", POLICY)
change("PUT", "policies/%2F/m.p2", {**POLICY, "definition": {"bad": 5}})
change("PUT", "policies/%2F/m.p2", {**POLICY, "definition": {"max-length": -5}})
change("PUT", "policies/%2F/m.p2", {**POLICY, "definition": {}})
change("PUT", "policies/%2F/m.p2", {**POLICY, "pattern": "("})
change("PUT", "policies/%2F/m.p2", {"definition": {"max-length": 5}})
look("policies/%2F/m.p")
change("PUT", "operator-policies/%2F/m.op", {"pattern": "^m[.]q", "definition": {"max-length": 4}, "priority": 1, "apply-to": "queues"})
look("operator-policies/%2F")
until("the policies are in force", lambda: get("queues/%2F/m.q2").get("operator_policy") == "m.op")
look("queues/%2F/m.q2?columns=policy,operator_policy,effective_policy_definition,name")
exported = get("definitions")
change("DELETE", "policies/%2F/m.p")
change("DELETE", "policies/%2F/m.p")
change("DELETE", "operator-policies/%2F/m.op")
change("PUT", "parameters/shovel/%2F/m.s", {"value": {}})
change("DELETE", "queues/%2F/m.q2")
change("DELETE", "exchanges/%2F/m.x2")
# What was exported comes back as it was.
exported.pop("parameters", None)
show("import", *call("POST", "definitions", exported))
again = get("definitions")
for part in ("queues", "exchanges", "bindings", "policies"):
    order = lambda rows: sorted(json.dumps(row, sort_keys=True) for row in rows)  # noqa: E731
    print(f"imported {part}: {order(exported[part]) == order(again[part])}")
change("POST", "definitions", "x")
change("POST", "definitions", {"queues": [{"name": "q", "vhost": "none", "durable": True, "auto_delete": False, "arguments": {}}]})
change("DELETE", "policies/%2F/m.p")
for queue in ("m.q2", "aliveness-test"):
    call("DELETE", f"queues/%2F/{queue}")
call("DELETE", "exchanges/%2F/m.x2")

name = urllib.parse.quote(get("connections")[0]["name"], safe="")
print(f"close: {call('DELETE', f'connections/{name}')[0]}")
try:
    while True:
        connection.process_data_events(1)
except pika.exceptions.ConnectionClosed as error:
    print(f"closed: {error.reply_code} {error.reply_text}")
until("the connection is gone", lambda: not get("connections"))
call("DELETE", "queues/%2F/m.q")
call("DELETE", "exchanges/%2F/m.x")
