"""The audit log: a line for every change and every refusal, with who it was, through which door, from where."""

import json
from http.client import HTTPConnection

import pika
import pytest
import websocket

from audited import audited_broker, written
from conftest import SECRET
from doors import Saying
from kafka_login import Closed, KafkaLogin, Refused


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    broker = audited_broker(tmp_path_factory.mktemp("audited"))
    for user in ["bob", "eve"]:
        broker.user(user)
    broker.must("PUT", "/v1/topics/jobs", {"model": "queue", "queue": {}})
    yield broker
    broker.stop()


def http(method, path, body=None, login=f"admin:{SECRET}"):
    return lambda broker: broker.ask(method, path, body, login)


RULE = {"principal": "user:bob", "operations": ["read"], "resource": {"type": "topic", "name": "x"}}
EVE = 'user eve, admin false, groups [], mechanisms ["SCRAM-SHA-256", "SCRAM-SHA-512"]'
KEYS = {"exchange": "amq.topic", "write": "^x", "read": "^y"}
# In this order: later ones change what earlier ones made.
CHANGES = {
    "a user": (http("PUT", "/v1/users/eve", {"password": "pw"}), [("user_set", f"{EVE}, 0 API keys")]),
    "a key": (http("POST", "/v1/users/eve/keys", {}), [("api_key_made", f"{EVE}, 1 API keys")]),
    "a rule": (http("POST", "/v1/acls", {"rules": [RULE]}), [("rule_set", 'allow user:bob topic literal "x": read')]),
    "a rule less": (
        http("DELETE", "/v1/acls", {"rules": [RULE]}), [("rule_set", 'allow user:bob topic literal "x": ')]),
    "a quota": (http("PUT", "/v1/quotas", {"entity": {"user": "eve"}, "limits": {"topics": 1}}),
                [("quota_set", 'user "eve": topics 1')]),
    "RabbitMQ's permissions": (
        http("PUT", "/api/permissions/%2f/eve", {"configure": "", "write": "^x", "read": ""}),
        [("rule_set", 'allow user:eve topic pattern "^x": write'),
         ("rule_set", 'allow user:eve exchange pattern "^x": write'),
         ("rule_set", 'allow user:eve vhost literal "/": describe')]),
    "RabbitMQ's topic permissions": (
        http("PUT", "/api/topic-permissions/%2f/eve", KEYS),
        [("topic_permission_set", 'user eve, exchange "amq.topic" of "/": write "^x", read "^y"')]),
    "a user less": (http("DELETE", "/v1/users/eve"), [("user_deleted", "user eve")]),
}


def test_every_change_is_written_down(audited):
    for what, (change, told) in CHANGES.items():
        lines = written(audited, change)
        assert lines == [(event, "http", "admin", about) for event, about in told], what


def socket(query="", **headers):
    def opened(broker):
        try:
            client = websocket.create_connection(
                f"ws://{broker.ports['http']}/v1/ws{query}", subprotocols=["sluice.v1.json"], suppress_origin=True,
                header=headers)
            client.send(json.dumps({"id": 1, "type": "auth", "token": "bob:wrong"}))
            client.recv()
            client.close()
        except websocket.WebSocketBadStatusException:
            pass
    return opened


def foreign(broker):
    client = HTTPConnection(broker.ports["http"], timeout=30)
    client.request("DELETE", "/v1/topics/jobs", headers={"Origin": "https://evil.example"})
    assert client.getresponse().status == 403


def with_header(value):
    def asked(broker):
        client = HTTPConnection(broker.ports["http"], timeout=30)
        client.request("GET", "/v1/topics", headers={"Authorization": value})
        assert client.getresponse().status == 401
    return asked


def kafka(act):
    def tried(broker):
        try:
            act(KafkaLogin(broker.ports["kafka"]))
        except (Refused, Closed):
            pass
    return tried


def amqp(mechanism, response=b"", vhost="/"):
    def tried(broker):
        host, port = broker.ports["amqp"].split(":")
        with pytest.raises(pika.exceptions.AMQPConnectionError):
            pika.BlockingConnection(pika.ConnectionParameters(host, int(port), vhost, Saying(mechanism, response)))
    return tried


WRONG = [("login_failed", "bob", "wrong user, password or token")]
MECHANISM = [("turned_away", "", "a mechanism that is not offered")]
REFUSALS = {
    "http: no login": (http("GET", "/v1/topics", login=None), [("turned_away", "", "no login")]),
    "http: scheme": (with_header("Digest x"), [("turned_away", "", "an Authorization of an unknown scheme")]),
    "http: nonsense": (with_header("Basic !"), [("turned_away", "", "an Authorization that cannot be read")]),
    "http: wrong": (http("GET", "/v1/topics", login="bob:wrong"), WRONG),
    "http: no permission": (
        http("GET", "/v1/topics/jobs", login="bob:pw"), [("denied", "bob", "describe topic jobs")]),
    "http: another page": (foreign, [("turned_away", "", "a page of https://evil.example")]),
    "http: management": (http("GET", "/api/overview", login="bob:pw"), [("denied", "bob", "GET /api/overview")]),
    "ws: ticket": (socket("?ticket=AAAA"), [("turned_away", "", "a ticket that is not good")]),
    "ws: another page": (
        socket(origin="https://evil.example"), [("turned_away", "", "a page of https://evil.example")]),
    "ws: auth": (socket(), WRONG),
    "kafka: wrong": (kafka(lambda client: client.plain("bob", "wrong")), WRONG),
    "kafka: mechanism": (kafka(lambda client: client.handshake("DIGEST")), MECHANISM),
    "kafka: no login": (kafka(lambda client: client.topic_error("jobs")), [("turned_away", "", "no login")]),
    "kafka: no permission": (kafka(lambda client: (client.plain("bob", "pw"), client.fetch("jobs"))),
                             [("denied", "bob", "describe topic jobs")]),
    "amqp: wrong": (amqp("PLAIN", b"\0bob\0wrong"), WRONG),
    "amqp: nonsense": (amqp("PLAIN", b"bob"), [("turned_away", "", "a login that cannot be read")]),
    "amqp: mechanism": (amqp("DIGEST"), MECHANISM),
    "amqp: no certificate": (amqp("EXTERNAL"), [("turned_away", "", "no certificate")]),
    "amqp: virtual host": (amqp("PLAIN", b"\0bob\0pw"), [("denied", "bob", "describe vhost /")]),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_every_refusal_is_written_down(audited, what):
    refusal, told = REFUSALS[what]
    door = what.split(":")[0]
    assert written(audited, refusal) == [(event, door, user, about) for event, user, about in told]
