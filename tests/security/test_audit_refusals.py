"""What the audit log says of those who use too much, get no TLS connection or take too long, and of a flood of them."""

import base64
import json
import socket as sockets
import ssl
import time
from http.client import HTTPConnection

import pika
import pytest
import websocket
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from audited import audited_broker, lines_of, written
from authority import certs, client_until
from kafka_login import KafkaLogin, Refused

# Users with a quota of one, which is called like them after the door.
LIMITED = ["http.produce_bytes_per_s", "http.connections", "http.topics", "ws.connections", "kafka.connections",
           "kafka.topics", "amqp.connections", "amqp.topics", "amqp.produce_bytes_per_s"]


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    broker = audited_broker(tmp_path_factory.mktemp("audited"))
    broker.must("PUT", "/v1/topics/jobs", {"model": "queue", "queue": {}})
    for user in LIMITED:
        broker.user(user, groups=["limited"])
        broker.must("PUT", "/v1/quotas", {"entity": {"user": user}, "limits": {user.split(".")[1]: 1}})
    broker.allow("group:limited", ["all"], "topic", "*")
    broker.allow("group:limited", ["describe"], "vhost", "/")
    broker.allow("group:limited", ["write"], "exchange", "*")
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """No client may take its time."""
    broker = audited_broker(tmp_path_factory.mktemp("hasty"), "tls.handshake_timeout_ms=300",
                            "auth.login_timeout_ms=300", "auth.max_failure_delay_ms=200", "amqp.handshake_timeout_ms=300")
    yield broker
    broker.stop()


def basic(user):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:pw".encode()).decode()}


def over_http(*requests):
    """Requests over one connection, of which the last is too much."""
    def asked(broker, user):
        client = HTTPConnection(broker.ports["http"], timeout=30)
        statuses = []
        for method, path, body in requests:
            client.request(method, path, json.dumps(body), {**basic(user), "Content-Type": "application/json"})
            response = client.getresponse()
            response.read()
            statuses.append(response.status)
        assert statuses.pop() == 429 and all(status < 300 for status in statuses)
    return asked


def http_connections(broker, user):
    clients = [HTTPConnection(broker.ports["http"], timeout=30) for _ in range(2)]
    for client, wanted in zip(clients, [200, 429]):
        client.request("GET", "/v1/me", headers=basic(user))
        assert client.getresponse().status == wanted


def sockets_opened(broker, user):
    def opened():
        return websocket.create_connection(
            f"ws://{broker.ports['http']}/v1/ws", subprotocols=["sluice.v1.json"], suppress_origin=True,
            header=basic(user))
    first = opened()
    with pytest.raises(websocket.WebSocketBadStatusException):
        opened()
    first.close()


def kafka_connections(broker, user):
    first, second = (KafkaLogin(broker.ports["kafka"]) for _ in range(2))
    first.plain(user, "pw")
    with pytest.raises(Refused):
        second.plain(user, "pw")


def kafka_topics(broker, user):
    admin = AdminClient({"bootstrap.servers": broker.ports["kafka"], "security.protocol": "SASL_PLAINTEXT",
                         "sasl.mechanisms": "PLAIN", "sasl.username": user, "sasl.password": "pw"})
    for topic in ["k1", "k2"]:
        made = admin.create_topics([NewTopic(topic, 1, 1)])[topic]
        if topic == "k1":
            made.result(30)
        else:
            with pytest.raises(KafkaException):
                made.result(30)


def amqp_of(broker, user):
    host, port = broker.ports["amqp"].split(":")
    login = pika.PlainCredentials(user, "pw")
    return pika.BlockingConnection(pika.ConnectionParameters(host, int(port), credentials=login))


def amqp_connections(broker, user):
    first = amqp_of(broker, user)
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        amqp_of(broker, user)
    first.close()


def amqp_topics(broker, user):
    connection = amqp_of(broker, user)
    channel = connection.channel()
    channel.queue_declare("a1", durable=True)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        channel.queue_declare("a2", durable=True)
    connection.close()


PUBLISH = ("POST", "/v1/topics/jobs/messages", {"messages": [{"value": "x" * 1000}]})
QUEUES = [("PUT", f"/v1/topics/h{number}", {"model": "queue", "queue": {}}) for number in range(2)]
TOO_MUCH = {
    "http.produce_bytes_per_s": over_http(PUBLISH, PUBLISH), "http.connections": http_connections,
    "http.topics": over_http(*QUEUES), "ws.connections": sockets_opened, "kafka.connections": kafka_connections,
    "kafka.topics": kafka_topics, "amqp.connections": amqp_connections, "amqp.topics": amqp_topics,
}


@pytest.mark.parametrize("user", TOO_MUCH)
def test_who_is_refused_for_a_quota_is_written_down(audited, user):
    door, quota = user.split(".")
    told = ("over_quota", door, user, f'user "{user}": {quota} 1')
    lines = written(audited, lambda broker: TOO_MUCH[user](broker, user))
    # What was made before it was too much is written down, too.
    assert [line for line in lines if line[0] != "topic_made"] == [told]


def test_who_only_has_to_wait_is_not_written_down(audited):
    def held_up():
        line = 'sluice_quota_throttled_total{door="amqp",quota="produce_bytes_per_s"} '
        return [one for one in audited.must("GET", "/metrics").splitlines() if one.startswith(line)]

    def publish(broker):
        before, connection = held_up(), amqp_of(broker, "amqp.produce_bytes_per_s")
        connection.channel().basic_publish("", "jobs", b"x" * 1000)
        while held_up() == before:
            connection.process_data_events(0.01)
        connection._impl._transport.abort()
    assert written(audited, publish, least=0) == []


def shake(trust="ca.pem", client=None, **settings):
    """A handshake that fails. Under TLS 1.3 a client learns of it with its first read."""
    def shaken(broker, door):
        home = broker.home
        made = ssl.create_default_context(cafile=str(home / trust))
        for name, value in settings.items():
            made.set_ciphers(value) if name == "ciphers" else setattr(made, name, value)
        if client:
            made.load_cert_chain(client / "bob.pem", client / "bob.key")
        host, port = broker.ports[door].split(":")
        with sockets.create_connection((host, int(port)), timeout=30) as plain:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                with made.wrap_socket(plain, server_hostname="localhost") as wrapped:
                    wrapped.recv(1)
    return shaken


def talk(sent):
    """Something is said; the server closes."""
    def talked(broker, door):
        host, port = broker.ports[door].split(":")
        with sockets.create_connection((host, int(port)), timeout=30) as client:
            client.sendall(sent)
            try:
                while client.recv(4096):
                    pass
            except ConnectionError:
                pass
    return talked


def no_tls(audited, tmp_path):
    """What can go wrong in a handshake, and how the log calls it."""
    certs("ca", "--dir", tmp_path)
    certs("client", "bob", "--dir", tmp_path)
    expired = tmp_path / "expired"
    expired.mkdir()
    for name in ["ca.pem", "ca.key"]:
        (expired / name).symlink_to(audited.home / name)
    client_until(expired, "bob", -86400)
    old = ssl.TLSVersion.TLSv1_1
    return {
        "unknown authority": (shake(tmp_path / "ca.pem"), "received fatal alert: UnknownCA"),
        "no certificate": (shake(), "peer sent no certificates"),
        "another authority": (shake(client=tmp_path), "invalid peer certificate: "),
        "expired": (shake(client=expired), "invalid peer certificate: certificate expired"),
        "an old version": (shake(minimum_version=old, maximum_version=old, ciphers="DEFAULT@SECLEVEL=0"),
                           "peer is incompatible: "),
        "no handshake": (talk(b"GET / HTTP/1.1\r\n\r\n"), "received corrupt message of type "),
    }


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
@pytest.mark.parametrize("door", ["https", "kafkas", "amqps"])
def test_who_does_not_get_a_tls_connection_is_written_down(audited, tmp_path, door):
    for what, (act, why) in no_tls(audited, tmp_path).items():
        [(event, through, user, about)] = written(audited, lambda broker: act(broker, door))
        assert (event, through, user) == ("tls_failed", door.removesuffix("s"), ""), what
        assert about.startswith(why), what


def test_who_only_leaves_is_not_written_down(audited):
    before = len(lines_of(audited))
    for door in ["https", "kafkas", "amqps", "http", "kafka", "amqp"]:
        host, port = audited.ports[door].split(":")
        sockets.create_connection((host, int(port))).close()
    assert written(audited, lambda broker: broker.ask("GET", "/v1/topics", login="gone:pw")) == [
        ("login_failed", "http", "gone", "wrong user, password or token")]
    assert len(lines_of(audited)) == before + 1


UPGRADE = (b"GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
           b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
           b"sec-websocket-protocol: sluice.v1.json\r\n\r\n")
LATE = "no login came in time (auth.login_timeout_ms)"
SLOW = {
    **{door: (talk(b"\x16\x03\x01"), "tls_failed", door.removesuffix("s"),
              "the TLS handshake took too long (tls.handshake_timeout_ms)") for door in ["https", "kafkas", "amqps"]},
    "kafka": (talk(b"\0"), "turned_away", "kafka", LATE),
    "http": (talk(UPGRADE), "turned_away", "ws", LATE),
    "amqp": (talk(b"AMQP"), "turned_away", "amqp", "no login came in time (amqp.handshake_timeout_ms)"),
}


@pytest.mark.parametrize("door", SLOW)
def test_who_takes_too_long_is_written_down(hasty, door):
    act, event, called, why = SLOW[door]
    assert written(hasty, lambda broker: act(broker, door)) == [(event, called, "", why)]


def test_a_flood_is_told_in_few_lines_and_none_of_it_is_lost(tmp_path):
    broker, count = audited_broker(tmp_path), 1500
    told = lambda: [line for line in lines_of(broker) if line["event"] == "turned_away"]
    times = lambda: sum(line.get("times", 1) for line in told())
    began = time.monotonic()
    client = HTTPConnection(broker.ports["http"], timeout=30)

    def flood():
        for _ in range(count):
            client.request("GET", "/v1/topics")
            response = client.getresponse()
            response.read()
            assert response.status == 401
    flood()
    # What comes to an end is told without anything after it.
    while times() < count:
        time.sleep(0.01)
    flood()
    broker.stop()
    assert times() == 2 * count
    assert len(told()) <= 3 + (time.monotonic() - began)
