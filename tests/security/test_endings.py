"""The end of a connection inside TLS: what was said before it arrives whole."""

import socket
import ssl

import pytest

from authority import certs
from conftest import Broker
from kafka_login import FETCH, KafkaLogin, text

MESSAGES, SIZE = 100, 100_000


class ByHand:
    """TLS whose bytes are passed on here, so that the way to the broker can end while the way back goes on."""

    def __init__(self, context):
        self.context = context

    def wrap_socket(self, plain, server_hostname):
        # The broker has encrypted the end of the answer long before so little at a time has taken it.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        self.plain, self.came, self.goes = plain, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.came, self.goes, server_hostname=server_hostname)
        self.until_done(lambda: self.tls.do_handshake() or True)
        return self

    def until_done(self, step):
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                done = None
            self.pass_on()
            if done is not None:
                return done
            piece = self.plain.recv(16 << 10)
            if not piece:
                return b""
            self.came.write(piece)

    def sendall(self, data):
        self.tls.write(data)
        self.pass_on()

    def pass_on(self):
        if self.goes.pending:
            self.plain.sendall(self.goes.read())

    def recv(self, count):
        return self.until_done(lambda: self.tls.read(count))

    def close(self):
        self.plain.close()


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    home = tmp_path_factory.mktemp("endings")
    certs("ca", "--dir", home)
    certs("server", "localhost", "--dir", home)
    settings = [f"tls.cert_file={home / 'server.pem'}", f"tls.key_file={home / 'server.key'}", "kafka.tls_addr=127.0.0.1:0"]
    broker = Broker(home, *[part for one in settings for part in ("--set", one)]).start()
    broker.context = ssl.create_default_context(cafile=str(home / "ca.pem"))
    broker.user("reader")
    broker.allow("user:reader", ["read"], "topic", "long")
    broker.must("PUT", "/v1/topics/long", {"model": "log", "log": {"partitions": 1}})
    for _ in range(MESSAGES):
        broker.must("POST", "/v1/topics/long/messages", {"messages": [{"value": "x" * SIZE}]})
    yield broker
    broker.stop()


def asked(limit):
    """A request for so many bytes of the log, from its start."""
    one, limit = (1).to_bytes(4, "big"), limit.to_bytes(4, "big")
    partition = bytes(4) + bytes(8) + limit
    body = b"\xff" * 4 + bytes(4) + one + limit + b"\0" + one + text("long") + one + partition
    request = FETCH.to_bytes(2, "big") + (4).to_bytes(2, "big") + (9).to_bytes(4, "big") + text("ends") + body
    return len(request).to_bytes(4, "big") + request


# The kernel takes more once a third of its room is free: only answers of some lengths end while it takes none.
@pytest.mark.parametrize("limit", range(MESSAGES * SIZE // 2, MESSAGES * SIZE, SIZE))
def test_a_kafka_client_that_has_sent_its_last_request_gets_the_whole_answer(secured, limit):
    client = KafkaLogin(secured.ports["kafkas"], ByHand(secured.context))
    client.plain("reader", "pw")
    client.socket.sendall(asked(limit))
    client.socket.plain.shutdown(socket.SHUT_WR)
    length = int.from_bytes(client.receive(4), "big")
    assert length > limit - 2 * SIZE
    left = length
    while left and (piece := client.socket.recv(left)):
        left -= len(piece)
    assert left == 0, f"{left} of {length} bytes were lost"
    client.close()
