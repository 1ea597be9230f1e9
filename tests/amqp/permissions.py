"""Users, permissions and topic permissions: what RabbitMQ's tools set through the management API, and what AMQP clients are
told then. Prints what is observed, one named line each.

usage: permissions.py AMQP_PORT HTTP_PORT
"""
import base64
import json
import sys
import time
import urllib.error
import urllib.request

import pika

AMQP, HTTP = int(sys.argv[1]), int(sys.argv[2])


def call(method, path, body=None, login="guest:guest"):
    data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": "Basic " + base64.b64encode(login.encode()).decode()}
    request = urllib.request.Request(f"http://127.0.0.1:{HTTP}/api/{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def told(body):
    """What was answered, without what only says how passwords are kept."""
    if not body:
        return ""
    answer = json.loads(body)
    for row in answer if isinstance(answer, list) else [answer]:
        if "password_hash" in row:
            row["password_hash"] = row["hashing_algorithm"] = ""
    written = lambda row: json.dumps(row, sort_keys=True)  # noqa: E731
    return written(sorted(answer, key=written) if isinstance(answer, list) else answer)


def change(method, path, body=None, login="guest:guest"):
    status, answer = call(method, path, body, login)
    asked = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    who = "" if login == "guest:guest" else f" as {login.split(':')[0]}"
    print(f"{method} {path} {asked.replace(': ', ':')}{who}: {status} {told(answer)}", flush=True)


def look(*paths, login="guest:guest"):
    for path in paths:
        change("GET", path, login=login)


def only_status(method, path, login):
    status, answer = call(method, path, login=login)
    reason = json.loads(answer).get("reason", "") if status == 401 else ""
    print(f"{method} {path} as {login.split(':')[0]} status: {status} {reason}", flush=True)


def attempt(name, run, user="p.ann", vhost="/"):
    credentials = pika.PlainCredentials(user, "pw")
    try:
        with pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", AMQP, vhost, credentials)) as connection:
            run(connection.channel())
            print(f"{name}: done", flush=True)
    except pika.exceptions.ChannelClosedByBroker as error:
        print(f"{name}: {error.reply_code} {error.reply_text}", flush=True)
    except (pika.exceptions.ProbableAccessDeniedError, pika.exceptions.ProbableAuthenticationError) as error:
        print(f"{name}: {error.args}", flush=True)


# Users.
for body in (
    {"password": "pw", "tags": "management"}, {"password": "pw", "tags": ["monitoring", "mine"]}, {"tags": "monitoring, policymaker"},
    {"password": "", "tags": ""}, {"password_hash": "", "tags": ""}, {"password_hash": "xx", "tags": ""}, {"password": "pw"},
    {"password": "pw", "password_hash": "", "tags": ""}, {"name": "other", "password": "pw", "tags": ""}, "x",
):
    change("PUT", "users/p.ann", body)
    look("users/p.ann")
change("PUT", "users/p.bob", {"password": "pw", "tags": ["monitoring"]})
look("users", "users/without-permissions", "users/nobody", "whoami")
look("whoami", login="p.bob:pw")
look("whoami", login="p.bob:wrong")
for path in (
    "overview", "nodes", "vhosts", "queues", "connections", "channels", "consumers", "exchanges", "policies", "cluster-name",
    "health/checks/alarms", "users", "users/p.bob", "permissions", "permissions/%2F/p.ann", "topic-permissions", "definitions",
    "definitions/%2F", "vhosts/%2F/permissions", "users/p.bob/permissions",
):
    for user in ("p.bob", "p.ann"):
        only_status("GET", path, f"{user}:pw")
change("PUT", "users/p.x", {"password": "pw", "tags": ""}, login="p.bob:pw")
change("PUT", "vhosts/p.x", {}, login="p.bob:pw")
change("PUT", "vhosts/p.x", {}, login="p.ann:pw")

# Permissions.
attempt("enter without permissions", lambda channel: None)
change("PUT", "vhosts/p.host", {})
for path in ("permissions/%2F/p.ann", "permissions/p.host/p.ann", "permissions/%2F/nobody", "permissions/none/p.ann"):
    change("PUT", path, {"configure": "^ann", "write": "^(ann|amq[.]topic)", "read": "^(ann|amq[.]topic)"})
for body in ({"configure": "^a", "write": ".*"}, {"configure": "(", "write": ".*", "read": ".*"}, "x"):
    change("PUT", "permissions/%2F/p.ann", body)
change("PUT", "permissions/%2F/p.ann", {"configure": "^ann", "write": "^(ann|amq[.]topic)", "read": "^(ann|amq[.]topic)"})
change("PUT", "permissions/p.host/p.ann", {"configure": "", "write": "", "read": ""})
look(
    "permissions", "permissions/%2F/p.ann", "permissions/p.host/p.ann", "permissions/%2F/p.bob", "permissions/none/p.ann",
    "users/p.ann/permissions", "users/nobody/permissions", "vhosts/%2F/permissions", "vhosts/none/permissions",
)


def declare(name):
    return lambda channel: channel.queue_declare(name)


def publish(exchange, key, **properties):
    def run(channel):
        channel.confirm_delivery()
        channel.basic_publish(exchange, key, b"x", pika.BasicProperties(**properties))

    return run


def bind(queue, exchange, key, undo=False):
    def run(channel):
        channel.queue_declare(queue)
        (channel.queue_unbind if undo else channel.queue_bind)(queue, exchange, key)

    return run


def bind_exchange(to, exchange, key, undo=False):
    def run(channel):
        channel.exchange_declare(to, "topic")
        (channel.exchange_unbind if undo else channel.exchange_bind)(to, exchange, key)

    return run


attempt("declare own", declare("ann.q"))
attempt("declare other", declare("bob.q"))
attempt("declare in a host without any", declare("ann.q"), vhost="p.host")
attempt("enter another host", declare("ann.q"), user="p.bob", vhost="p.host")
attempt("publish by the default exchange", publish("", "ann.q"))
attempt("publish to another exchange", publish("amq.direct", "k"))
attempt("bind own", bind("ann.q", "amq.topic", "k"))
attempt("bind from another", bind("ann.q", "amq.direct", "k"))
attempt("dead letters to another", lambda channel: channel.queue_declare("ann.dead", arguments={"x-dead-letter-exchange": "amq.direct"}))
attempt("get other", lambda channel: channel.basic_get("bob.q"))
attempt("delete other", lambda channel: channel.exchange_delete("amq.fanout"))
attempt("purge own", lambda channel: channel.queue_purge("ann.q"))

# Topic permissions.
KEYS = {"exchange": "amq.topic", "write": "^{username}[.]", "read": "^{vhost}[.]"}
for path in ("topic-permissions/%2F/p.ann", "topic-permissions/%2F/nobody", "topic-permissions/none/p.ann"):
    change("PUT", path, KEYS)
for body in ({**KEYS, "read": "("}, {"write": "a", "read": "b"}, {"exchange": "other", "write": "a"}, {**KEYS, "exchange": "other"}):
    change("PUT", "topic-permissions/%2F/p.ann", body)
look(
    "topic-permissions", "topic-permissions/%2F/p.ann", "topic-permissions/%2F/p.bob", "topic-permissions/none/p.ann",
    "users/p.ann/topic-permissions", "users/nobody/topic-permissions", "vhosts/%2F/topic-permissions",
)
attempt("publish with own key", publish("amq.topic", "p.ann.a"))
attempt("publish with another key", publish("amq.topic", "other"))
attempt("publish with another key in CC", publish("amq.topic", "p.ann.a", headers={"CC": ["other"]}))
attempt("bind key", bind("ann.q", "amq.topic", "/.k"))
attempt("bind another key", bind("ann.q", "amq.topic", "k"))
attempt("unbind another key", bind("ann.q", "amq.topic", "k", undo=True))
attempt("bind exchange key", bind_exchange("ann.x", "amq.topic", "/.k"))
attempt("bind exchange another key", bind_exchange("ann.x", "amq.topic", "k"))
attempt("unbind exchange another key", bind_exchange("ann.x", "amq.topic", "k", undo=True))


def commit(channel):
    channel.tx_select()
    channel.basic_publish("amq.topic", "p.ann.a", b"x")
    channel.basic_publish("amq.topic", "other", b"x")
    channel.tx_commit()


attempt("commit with another key", commit)
change("PUT", "topic-permissions/%2F/p.ann", {**KEYS, "write": "", "read": ""})
attempt("publish with a key where none is allowed", publish("amq.topic", "p.ann.a"))
attempt("publish without a key where none is allowed", publish("amq.topic", ""))
for path in ("topic-permissions/%2F/p.ann/amq.topic", "topic-permissions/%2F/p.ann", "topic-permissions/%2F/p.ann"):
    change("DELETE", path)
attempt("publish with any key", publish("amq.topic", "other"))



# So many connections and no more. Sluice has quotas for that, which count beyond AMQP.
def limit_connections(user, most):
    status, _ = call("PUT", f"user-limits/{user}/max-connections", {"value": most})
    if status not in (201, 204):
        quota = json.dumps({"entity": {"user": user}, "limits": {"connections": most}}).encode()
        headers = {"content-type": "application/json", "authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{HTTP}/v1/quotas", quota, headers, method="PUT"), timeout=60)


limit_connections("p.ann", 2)
attempt("enter within the limit of connections", lambda channel: None)
parameters = pika.ConnectionParameters("127.0.0.1", AMQP, "/", pika.PlainCredentials("p.ann", "pw"))
held = [pika.BlockingConnection(parameters) for _ in range(2)]
try:
    pika.BlockingConnection(parameters)
    print("a connection too many: done", flush=True)
except (pika.exceptions.AMQPConnectionError, pika.exceptions.ProbableAccessDeniedError) as error:
    print(f"a connection too many: {error!r}", flush=True)
held.pop().close()
deadline = time.monotonic() + 10
entered = None
while not entered and time.monotonic() < deadline:
    # The broker counts a closed connection for a moment.
    try:
        entered = pika.BlockingConnection(parameters)
    except (pika.exceptions.AMQPConnectionError, pika.exceptions.ProbableAccessDeniedError):
        time.sleep(0.05)
print(f"in the place of one that went: {entered is not None}", flush=True)
for connection in [*held, entered]:
    connection.close()

# Gone again.
attempt("delete own", lambda channel: (channel.queue_delete("ann.q"), channel.exchange_delete("ann.x")))
for path in ("permissions/%2F/p.ann", "permissions/%2F/p.ann", "permissions/none/p.ann", "permissions/%2F/nobody"):
    change("DELETE", path)
attempt("enter when it is taken away", lambda channel: None)
change("DELETE", "vhosts/p.host")
look("permissions")
change("POST", "users/bulk-delete", {})
change("POST", "users/bulk-delete", {"users": ["nobody"]})
change("POST", "users/bulk-delete", {"users": ["p.ann"]})
change("DELETE", "users/p.bob")
change("DELETE", "users/p.bob")
look("users", "permissions", "topic-permissions")
