"""A Kafka client that does no more than log in and ask for a topic, and tells exactly how it was answered."""

import base64
import hashlib
import hmac
import os
import socket

SASL_HANDSHAKE, SASL_AUTHENTICATE, METADATA, FETCH = 17, 36, 3, 1


class Closed(Exception):
    """The broker closed the connection without a word."""


class Refused(Exception):
    """The broker answered with an error code."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, size):
        self.at += size
        return int.from_bytes(self.data[self.at - size:self.at], "big", signed=True)

    def bytes(self, size_of_length=4):
        length = self.number(size_of_length)
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length:self.at]

    def text(self):
        found = self.bytes(2)
        return found if found is None else found.decode()

    def array(self, read):
        return [read() for _ in range(max(0, self.number(4)))]


def text(value):
    return len(value.encode()).to_bytes(2, "big") + value.encode()


class KafkaLogin:
    def __init__(self, address, context=None, name="localhost", client_id="matrix", source=""):
        self.client_id = client_id
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30, source_address=(source, 0))
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.sent = 0

    def close(self):
        self.socket.close()

    def receive(self, count):
        data = b""
        while len(data) < count:
            try:
                piece = self.socket.recv(count - len(data))
            except ConnectionError:
                piece = b""
            if not piece:
                raise Closed()
            data += piece
        return data

    def ask(self, api, version, body):
        self.sent += 1
        header = api.to_bytes(2, "big") + version.to_bytes(2, "big") + self.sent.to_bytes(4, "big") + text(self.client_id)
        request = header + body
        try:
            self.socket.sendall(len(request).to_bytes(4, "big") + request)
        except ConnectionError:
            raise Closed() from None
        answer = Reader(self.receive(int.from_bytes(self.receive(4), "big")))
        assert answer.number(4) == self.sent
        return answer

    def handshake(self, mechanism):
        answer = self.ask(SASL_HANDSHAKE, 1, text(mechanism))
        code, offered = answer.number(2), answer.array(answer.text)
        if code:
            raise Refused(f"{code} {' '.join(offered)}")

    def authenticate(self, data):
        """The broker's bytes, and for how many milliseconds the login lasts."""
        answer = self.ask(SASL_AUTHENTICATE, 1, len(data).to_bytes(4, "big") + data)
        code, why = answer.number(2), answer.text()
        if code:
            try:
                self.receive(1)
            except Closed:
                raise Refused(f"{code} {why}") from None
            raise AssertionError("the connection stays open after a login that failed")
        return answer.bytes(), answer.number(8)

    def plain(self, user, password):
        self.handshake("PLAIN")
        return self.authenticate(b"\0" + user.encode() + b"\0" + password.encode())

    def oauthbearer(self, token):
        self.handshake("OAUTHBEARER")
        return self.authenticate(b"n,,\x01auth=Bearer " + token.encode() + b"\x01\x01")

    def scram(self, mechanism, user, password, extension=""):
        """RFC 5802, from the client's side; also checks that the broker knows the password."""
        self.handshake(mechanism)
        kind = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}[mechanism]
        mac = lambda key, data: hmac.new(key, data, kind).digest()
        bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={base64.b64encode(os.urandom(18)).decode()}{extension}"
        first, _ = self.authenticate(b"n,," + bare.encode())
        nonce, salt, rounds = [part[2:] for part in first.decode().split(",")]
        salted = hashlib.pbkdf2_hmac(kind, password.encode(), base64.b64decode(salt), int(rounds))
        final = f"c=biws,r={nonce}"
        told = f"{bare},{first.decode()},{final}".encode()
        key = mac(salted, b"Client Key")
        proof = bytes(one ^ other for one, other in zip(key, mac(hashlib.new(kind, key).digest(), told)))
        last, lifetime = self.authenticate(f"{final},p={base64.b64encode(proof).decode()}".encode())
        assert base64.b64decode(last[2:]) == mac(mac(salted, b"Server Key"), told), "the broker has other keys"
        return last, lifetime

    def topic_error(self, topic):
        """The error code of a topic's metadata: 0 is none."""
        answer = self.ask(METADATA, 1, (1).to_bytes(4, "big") + text(topic))
        answer.array(lambda: (answer.number(4), answer.text(), answer.number(4), answer.text()))
        answer.number(4)
        count = answer.number(4)
        assert count == 1
        return answer.number(2)

    def fetch(self, topic):
        """Reads a log from its start; answers for how many milliseconds the client is then held up."""
        partition = (0).to_bytes(4, "big") + (0).to_bytes(8, "big") + (1 << 20).to_bytes(4, "big")
        one = (1).to_bytes(4, "big")
        # No replica, no wait; anything from a byte to a mebibyte, uncommitted too.
        body = b"\xff" * 4 + bytes(4) + one + (1 << 20).to_bytes(4, "big") + b"\0"
        return self.ask(FETCH, 4, body + one + text(topic) + one + partition).number(4)
