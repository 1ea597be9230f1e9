"""RabbitMQ's own command-line tool against Sluice: what its users do with it.

usage: admin_tool.py TOOL AMQP_PORT HTTP_PORT DIRECTORY
"""
import json
import os
import subprocess
import sys

import pika

TOOL, AMQP, HTTP, HOME = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]


def run(*words, fails=False, user="guest", password="guest"):
    command = [sys.executable, TOOL, "-H", "127.0.0.1", "-P", HTTP, "-u", user, "-p", password, "-f", "raw_json", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode != 0) == fails, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def rows(*words):
    return json.loads(run(*words))


def names(*words):
    return [row["name"] for row in rows(*words)]


run("declare", "vhost", "name=tool")
assert "tool" in names("list", "vhosts")
run("declare", "queue", "name=tool.q", "durable=true", 'arguments={"x-max-length": 10}')
run("declare", "queue", "name=tool.quorum", "queue_type=quorum")
run("declare", "exchange", "name=tool.x", "type=topic")
run("declare", "binding", "source=tool.x", "destination=tool.q", "routing_key=a.#", 'arguments={"why": "test"}')
run("declare", "policy", "name=tool.p", "pattern=^tool[.]q$", 'definition={"message-ttl": 100000}', "priority=3", "apply-to=queues")
run("declare", "operator_policy", "name=tool.op", "pattern=^tool[.]q$", 'definition={"max-length": 5}', "apply-to=queues")
refused = run("declare", "queue", "name=tool.q", "durable=false", fails=True)
assert "inequivalent arg 'durable' for queue 'tool.q' in vhost '/'" in refused, refused
run("declare", "user", "name=tool.user", "password=secret", "tags=")
run("declare", "user", "name=tool.admin", "password=secret", "tags=administrator")
run("declare", "permission", "vhost=/", "user=tool.user", "configure=^tool[.]", "write=^tool[.]", "read=^tool[.]")
refused = run("declare", "permission", "vhost=/", "user=tool.admin", "configure=", "write=", "read=", fails=True)
assert "tool.admin is an administrator" in refused, refused
refused = run("declare", "user", "name=tool.user", "password_hash=kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "tags=", fails=True)
assert "was made by RabbitMQ" in refused, refused
assert json.loads(run("list", "users", user="tool.admin", password="secret"))
assert "Access refused" in run("list", "users", user="tool.user", password="secret", fails=True)
for user, allowed in (("tool.user", False), ("tool.admin", True)):
    parameters = pika.ConnectionParameters("127.0.0.1", AMQP, credentials=pika.PlainCredentials(user, "secret"))
    with pika.BlockingConnection(parameters) as connection:
        connection.channel().queue_declare("tool.own", exclusive=True)
        try:
            connection.channel().queue_declare("other", exclusive=True)
            assert allowed
        except pika.exceptions.ChannelClosedByBroker as error:
            assert error.reply_code == 403 and not allowed, error

for n in range(3):
    assert "published" in (told := run("publish", "exchange=tool.x", "routing_key=a.b", f"payload=message {n}", 'properties={"delivery_mode": 2}')) and "NOT" not in told, told
assert "NOT routed" in run("publish", "exchange=tool.x", "routing_key=b", "payload=lost")
got = rows("get", "queue=tool.q", "count=2", "ackmode=ack_requeue_true")
assert [message["payload"] for message in got] == ["message 0", "message 1"], got
got = rows("get", "queue=tool.q", "ackmode=ack_requeue_false")
assert got[0]["redelivered"] and got[0]["message_count"] == 2 and got[0]["properties"]["delivery_mode"] == 2, got
queue = next(row for row in rows("list", "queues") if row["name"] == "tool.q")
assert (queue["messages"], queue["policy"], queue["operator_policy"]) == (2, "tool.p", "tool.op"), queue
assert queue["effective_policy_definition"] == {"message-ttl": 100000, "max-length": 5}, queue
run("purge", "queue", "name=tool.q")
assert next(row for row in rows("list", "queues") if row["name"] == "tool.q")["messages"] == 0

for kind in ("exchanges", "bindings", "users", "permissions", "nodes", "parameters", "policies", "operator_policies", "vhost_limits"):
    assert isinstance(rows("list", kind), list), kind
assert rows("show", "overview")[0]["product_name"] == "Sluice"

connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", AMQP))
channel = connection.channel()
channel.basic_consume("tool.q", lambda *_: None, consumer_tag="seen")
ours = f"127.0.0.1:{connection._impl._transport._sock.getsockname()[1]} -> 127.0.0.1:{AMQP}"
assert ours in names("list", "connections") and f"{ours} (1)" in names("list", "channels")
consumer = next(row for row in rows("list", "consumers") if row["consumer_tag"] == "seen")
assert consumer["queue"] == {"name": "tool.q", "vhost": "/"} and consumer["channel_details"]["connection_name"] == ours, consumer
run("close", "connection", f"name={ours}")
try:
    while True:
        connection.process_data_events(1)
except pika.exceptions.ConnectionClosed as error:
    assert error.reply_code == 320, error

kept = os.path.join(HOME, "definitions.json")
run("export", kept)
for words in (
    ("permission", "vhost=/", "user=tool.user"), ("user", "name=tool.user"), ("user", "name=tool.admin"), ("binding", "source=tool.x", "destination_type=queue", "destination=tool.q", f"properties_key={next(row for row in rows('list', 'bindings') if row['source'] == 'tool.x')['properties_key']}"),
    ("policy", "name=tool.p"), ("operator_policy", "name=tool.op"), ("exchange", "name=tool.x"), ("queue", "name=tool.q"),
    ("queue", "name=tool.quorum"), ("vhost", "name=tool"),
):
    run("delete", *words)
assert not [name for kind in ("queues", "exchanges", "policies", "vhosts", "users") for name in names("list", kind) if name.startswith("tool")]
run("import", kept)
again = os.path.join(HOME, "definitions-again.json")
run("export", again)


def read(path):
    with open(path, encoding="utf-8") as text:
        return {part: sorted(json.dumps(row, sort_keys=True) for row in rows) if isinstance(rows, list) else rows for part, rows in json.load(text).items()}


assert read(kept) == read(again), (read(kept), read(again))
assert json.loads(run("list", "users", user="tool.admin", password="secret")), "an imported user's password is good"
for words in (("user", "name=tool.user"), ("user", "name=tool.admin"), ("policy", "name=tool.p"), ("operator_policy", "name=tool.op"), ("exchange", "name=tool.x"), ("queue", "name=tool.q"), ("queue", "name=tool.quorum"), ("vhost", "name=tool")):
    run("delete", *words)
print("rabbitmqadmin: declare, list, publish, get, purge, close, export, import, delete; users and permissions")
