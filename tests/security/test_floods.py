"""Clients that begin and do not go on, or bring too much: each is closed, and others are served all the while."""

import select
import socket
import ssl
import time

import pytest

from authority import certs
from conftest import SECRET, Broker
from doors import DOORS, Credentials, Refused

HELLO = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03"
START_OK = b"\x01\x00\x00\x00\x00\x00\x40\x00\x0a\x00\x0b"
UPGRADE = (b"GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
           b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
           b"sec-websocket-protocol: sluice.v1.json\r\n\r\n")
# Where it is opened, what is sent at once, and what is sent byte by byte from then on.
HALVES = {
    "http: nothing": ("http", b"", b""),
    "http: half a head": ("http", b"GET /v1/topics HTTP/1.1\r\nhost: localhost\r\nx-slow: ", b"a"),
    "websocket: no login": ("http", UPGRADE, b""),
    "https: nothing": ("https", b"", b""),
    "https: half a hello": ("https", HELLO, b"\0"),
    "kafkas: half a hello": ("kafkas", HELLO, b"\0"),
    "amqps: half a hello": ("amqps", HELLO, b"\0"),
    "kafka: nothing": ("kafka", b"", b""),
    "kafka: half a frame": ("kafka", b"\0\0\x10\0\0\x11\0\x01", b"\0"),
    "amqp: nothing": ("amqp", b"", b""),
    "amqp: half a header": ("amqp", b"AMQ", b""),
    "amqp: no answer to start": ("amqp", b"AMQP\0\0\x09\x01", b""),
    "amqp: half an answer to start": ("amqp", b"AMQP\0\0\x09\x01" + START_OK, b"\0"),
}


def secured(tmp_path_factory, *settings):
    home = tmp_path_factory.mktemp("flooded")
    certs("ca", "--dir", home)
    certs("server", "localhost", "--dir", home)
    settings = [f"tls.cert_file={home / 'server.pem'}", f"tls.key_file={home / 'server.key'}",
                "http.tls_addr=127.0.0.1:0", "kafka.tls_addr=127.0.0.1:0", "amqp.tls_addr=127.0.0.1:0", *settings]
    broker = Broker(home, *[part for one in settings for part in ("--set", one)]).start()
    for topic in ["orders", "jobs"]:
        broker.must("PUT", f"/v1/topics/{topic}", {"model": "queue", "queue": {}})
    return broker


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    broker = secured(
        tmp_path_factory, "http.header_timeout_ms=1000", "tls.handshake_timeout_ms=1000", "auth.login_timeout_ms=1000",
        "auth.max_failure_delay_ms=500", "amqp.handshake_timeout_ms=1000")
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """Room for eight strangers, who may take as long as they like."""
    minutes = 600_000
    broker = secured(
        tmp_path_factory, "auth.max_strangers=8", f"tls.handshake_timeout_ms={minutes}",
        f"auth.login_timeout_ms={minutes}", "amqp.handshake_timeout_ms=60000")
    yield broker
    broker.stop()


def opened(broker, door):
    host, port = broker.ports[door].split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def is_closed(client):
    """Whether the server closed it; what it says before is taken."""
    while select.select([client], [], [], 0)[0]:
        try:
            if not client.recv(4096):
                return True
        except ConnectionError:
            return True
    return False


def login(broker, door):
    context = ssl.create_default_context(cafile=str(broker.home / "ca.pem"))
    mechanism = {"http": "Basic", "websocket": "auth with a password", "kafka": "SCRAM-SHA-256", "amqp": "PLAIN"}[door]
    return DOORS[door].login(broker, mechanism, Credentials("admin", SECRET, context))


def test_slow_clients_are_closed_and_others_served(impatient):
    others = {door: login(impatient, door) for door in DOORS}
    slow = {}
    for name, (door, begin, _) in HALVES.items():
        slow[name] = opened(impatient, door)
        slow[name].sendall(begin)
    while slow:
        for name, client in list(slow.items()):
            if is_closed(client):
                slow.pop(name).close()
                continue
            try:
                client.sendall(HALVES[name][2])
            except ConnectionError:
                pass
        for other in others.values():
            other.work()
        # Slowly, but never still for as long as any limit.
        time.sleep(0.1)
    for other in others.values():
        other.work()
        other.close()


@pytest.mark.parametrize("door,begin,others", [
    ("https", HELLO, "http"), ("kafkas", HELLO, "kafka"), ("amqps", HELLO, "amqp"), ("kafka", b"\0\0", "kafka"),
    ("amqp", b"AMQP\0\0\x09\x01", "amqp"), ("http", UPGRADE, "websocket")])
def test_a_flood_of_strangers_leaves_room_for_who_goes_on(crowded, door, begin, others):
    kept = login_patiently(crowded, others)
    flood = []
    for _ in range(60):
        client = opened(crowded, door)
        try:
            client.sendall(begin)
        except ConnectionError:
            pass
        flood.append(client)
    kept.work()
    login_patiently(crowded, others).close()
    while sum(not is_closed(client) for client in flood) > 8:
        kept.work()
    kept.close()
    for client in flood:
        client.close()


def login_patiently(broker, door):
    """As real clients do: who is turned away tries again."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return login(broker, door)
        except (OSError, Refused):
            assert time.monotonic() < deadline, "the flood keeps everybody out"
            time.sleep(0.1)


def answer_to(broker, door, sent):
    """All that the server says before it closes the connection."""
    client, told = opened(broker, door), b""
    try:
        client.sendall(sent)
        while piece := client.recv(4096):
            told += piece
    except ConnectionError:
        pass
    client.close()
    return told


def test_what_is_too_large_for_a_login_is_refused_unread(crowded):
    # Only the length is sent: nothing waits for the rest.
    assert answer_to(crowded, "kafka", (512 * 1024 + 1).to_bytes(4, "big")) == b""
    assert answer_to(crowded, "kafka", b"\x7f\xff\xff\xff") == b""
    told = answer_to(crowded, "amqp", b"AMQP\0\0\x09\x01" + b"\x01\0\0\x7f\xff\xff\xff")
    assert b"PLAIN" in told, "the server began the handshake"
    head = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-large: " + b"a" * 100_000 + b"\r\n\r\n"
    assert answer_to(crowded, "http", head).startswith(b"HTTP/1.1 431 ")
    for door in ["https", "kafkas", "amqps"]:
        # A hello of 16 MiB in records of 16 KiB.
        record = b"\x16\x03\x01\x40\0"
        hello = b"\x01\xff\xff\xff" + bytes(16380)
        told = answer_to(crowded, door, record + hello + (record + bytes(16384)) * 200)
        assert len(told) < 100
    login_patiently(crowded, "http").close()
