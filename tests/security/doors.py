"""Each door as the matrix sees it: how to log in by each mechanism, and what a client is told, word for word.

A door's `login` answers a connection, or raises `Refused` with what the client was told. A connection can do what its
user may (`work`), try what it may not (`trespass`), use more than a quota of one byte a second allows (`exceed`, which
answers what its client is told of that), and wait for its own end (`end`).
"""

import base64
import http.client
import json
import re
import socket
import ssl
from dataclasses import dataclass

import pika
import websocket

from kafka_login import Closed, KafkaLogin, Refused

# Mechanisms by door, with what they carry.
HTTP = {"Basic": "password", "Basic with a key": "key", "Basic with a token": "token", "Bearer with a key": "key",
        "Bearer with a token": "token", "certificate": "certificate", "nothing": "nobody"}
WEBSOCKET = {"header Basic": "password", "header Bearer with a key": "key", "header Bearer with a token": "token",
             "auth with a password": "password", "auth with a key": "key", "auth with a token": "token",
             "ticket for a password": "password", "ticket for a key": "key", "ticket for a token": "token",
             "certificate": "certificate", "nothing": "nobody"}
KAFKA = {"PLAIN": "password", "PLAIN with a key": "key", "PLAIN with a token": "token", "SCRAM-SHA-256": "password",
         "SCRAM-SHA-512": "password", "OAUTHBEARER": "token", "OAUTHBEARER with a key": "key",
         "certificate": "certificate", "nothing": "nobody"}
AMQP = {"PLAIN": "password", "PLAIN with a key": "key", "PLAIN with a token": "token", "AMQPLAIN": "password",
        "AMQPLAIN with a key": "key", "AMQPLAIN with a token": "token", "EXTERNAL": "certificate",
        "ANONYMOUS": "nobody"}
MECHANISMS = {"http": HTTP, "websocket": WEBSOCKET, "kafka": KAFKA, "amqp": AMQP}


@dataclass
class Credentials:
    user: str
    secret: str = ""
    context: ssl.SSLContext = None
    name: str = "localhost"


def authorization(mechanism, given):
    """The header of a mechanism, if it has one."""
    if "Basic" in mechanism or mechanism == "ticket for a password":
        return {"Authorization": "Basic " + base64.b64encode(f"{given.user}:{given.secret}".encode()).decode()}
    if "Bearer" in mechanism or mechanism.startswith("ticket"):
        return {"Authorization": "Bearer " + given.secret}
    return {"Authorization": "Digest " + given.secret} if mechanism == "unknown" else {}


def connected(host, port):
    return socket.create_connection((host, port), timeout=30)


class Http:
    @staticmethod
    def login(broker, mechanism, given):
        connection = Http(broker, mechanism, given)
        connection.expect("GET", "/v1/me")
        return connection

    def __init__(self, broker, mechanism, given):
        host, port = broker.ports["https"].split(":")
        self.headers = authorization(mechanism, given)
        self.client = http.client.HTTPSConnection(given.name, int(port), timeout=30, context=given.context)
        # The name is checked against the certificate; the address is the server's own.
        self.client._create_connection = lambda _, *rest: connected(host, int(port))

    def expect(self, method, path, body=None):
        self.client.request(method, path, body, self.headers)
        response = self.client.getresponse()
        answer = json.loads(response.read())
        if response.status >= 400:
            schemes = response.headers.get_all("WWW-Authenticate") or []
            told = f"{response.status} {answer['code']}: {answer['detail']}"
            told += "".join(f" [{scheme.split()[0]}]" for scheme in schemes)
            if wait := re.search(r"again in (\d+) ms", told):
                # In whole seconds, and never sooner than it helps.
                assert 0 <= int(response.headers["Retry-After"]) * 1000 - int(wait[1]) <= 1000
                told = told.replace(wait[1], "…") + " [Retry-After]"
            raise Refused(told)
        return answer

    def work(self):
        self.expect("GET", "/v1/topics/jobs")

    def trespass(self):
        self.expect("GET", "/v1/topics/secret")

    def exceed(self):
        while True:
            self.expect("POST", "/v1/topics/jobs/messages", "x" * 1000)

    def end(self):
        # There is nothing that ends between two requests: the next one is refused.
        while True:
            self.work()

    def close(self):
        self.client.close()


class WebSocket:
    @staticmethod
    def login(broker, mechanism, given):
        path, header = "/v1/ws", authorization(mechanism, given)
        if mechanism.startswith("ticket"):
            asking = Http(broker, mechanism, given)
            path += "?ticket=" + asking.expect("POST", "/v1/tickets")["ticket"]
            asking.close()
            header = {}
        host, port = broker.ports["https"].split(":")
        plain = connected(host, int(port))
        wrapped = given.context.wrap_socket(plain, server_hostname=given.name)
        try:
            client = websocket.create_connection(
                f"wss://{given.name}:{port}{path}", subprotocols=["sluice.v1.json"], header=header, socket=wrapped,
                suppress_origin=True)
        except websocket.WebSocketBadStatusException as error:
            raise Refused(f"{error.status_code} {json.loads(error.resp_body)['code']}") from None
        connection = WebSocket(client)
        if mechanism.startswith("auth"):
            password = mechanism == "auth with a password"
            connection.ask("auth", token=f"{given.user}:{given.secret}" if password else given.secret)
        connection.work()
        return connection

    def __init__(self, client):
        self.client, self.asked = client, 0

    def ask(self, kind, **fields):
        self.asked += 1
        self.client.send(json.dumps({"id": self.asked, "type": kind, **fields}))
        answer = json.loads(self.client.recv())
        if answer["type"] == "error":
            raise Refused(answer["error"]["code"])
        return answer

    def publish(self, topic, value=1):
        self.ask("publish", topic=topic, messages=[{"value": value}])

    def work(self):
        self.publish("jobs")

    def trespass(self):
        self.publish("secret")

    def exceed(self):
        self.publish("jobs", "x" * 1000)

    def end(self):
        while True:
            kind, data = self.client.recv_data(control_frame=True)
            if kind == websocket.ABNF.OPCODE_CLOSE:
                raise Refused(f"closed {int.from_bytes(data[:2], 'big')}: {data[2:].decode()}")

    def close(self):
        self.client.close()


class Kafka:
    @staticmethod
    def login(broker, mechanism, given):
        client = KafkaLogin(broker.ports["kafkas"], given.context, given.name)
        name = mechanism.split(" ")[0]
        connection = Kafka(client)
        if name == "PLAIN":
            client.plain(given.user, given.secret)
        elif name.startswith("SCRAM"):
            client.scram(name, given.user, given.secret)
        elif name == "OAUTHBEARER":
            client.oauthbearer(given.secret)
        elif name == "unknown":
            client.handshake("DIGEST-MD5")
        connection.work()
        return connection

    def __init__(self, client):
        self.client = client

    def topic(self, name):
        try:
            code = self.client.topic_error(name)
        except Closed:
            raise Refused("closed") from None
        if code:
            raise Refused(str(code))

    def work(self):
        self.topic("orders")

    def trespass(self):
        self.topic("secret")

    def exceed(self):
        assert self.client.fetch("orders") > 60_000
        return "throttle_time_ms"

    def end(self):
        try:
            self.client.receive(1)
        except Closed:
            raise Refused("closed") from None

    def close(self):
        self.client.close()


class Saying:
    """Credentials of pika that say what they are given, whatever the server offers."""
    erase_on_connect = False

    def __init__(self, mechanism, response):
        self.TYPE = "PLAIN"
        self.said = mechanism, response

    def response_for(self, _):
        return self.said

    def erase_credentials(self):
        pass


pika.credentials.VALID_TYPES.append(Saying)


def amqplain(user, password):
    pair = lambda name, value: bytes([len(name)]) + name + b"S" + len(value).to_bytes(4, "big") + value
    return pair(b"LOGIN", user.encode()) + pair(b"PASSWORD", password.encode())


class Amqp:
    @staticmethod
    def login(broker, mechanism, given):
        host, port = broker.ports["amqps"].split(":")
        name = mechanism.split(" ")[0]
        response = {"PLAIN": f"\0{given.user}\0{given.secret}".encode(), "AMQPLAIN": amqplain(given.user, given.secret),
                    "EXTERNAL": b"", "ANONYMOUS": b"", "unknown": b""}[name]
        options = pika.SSLOptions(given.context, given.name)
        try:
            connection = pika.BlockingConnection(pika.ConnectionParameters(
                host, int(port), "/", Saying("SCRAM-SHA-256" if name == "unknown" else name, response),
                ssl_options=options))
        except pika.exceptions.ProbableAuthenticationError as error:
            # What pika was told stands in the words of its exception.
            told = str(error).partition("ConnectionClosedByBroker: ")[2].replace("(403) '", "403 ").rstrip("'\")]")
            raise Refused(told or "closed") from None
        except pika.exceptions.ProbableAccessDeniedError as error:
            told = re.search(r"\((530)\) '(.*)'", str(error)) or re.search(r'\((530)\) "(.*)"', str(error))
            raise Refused(f"{told[1]} {told[2]}") from None
        except pika.exceptions.AMQPConnectionError as error:
            alert = re.search(r"SSL: ([A-Z0-9_]+)\]", repr(error))
            raise Refused(f"TLS {alert[1]}" if alert else f"closed: {error!r}") from None
        return Amqp(connection)

    def __init__(self, connection):
        self.connection = connection

    def get(self, queue, body=None):
        channel = self.connection.channel()
        if body:
            channel.basic_publish("", queue, body)
        try:
            channel.basic_get(queue, auto_ack=True)
        except pika.exceptions.ChannelClosedByBroker as closed:
            raise Refused(f"{closed.reply_code} {closed.reply_text}") from None
        channel.close()

    def work(self):
        self.get("jobs")

    def trespass(self):
        self.get("secret")

    def exceed(self):
        self.get("jobs", b"x" * 1000)

    def end(self):
        try:
            while True:
                self.connection.process_data_events(0.2)
        except pika.exceptions.ConnectionClosedByBroker as closed:
            raise Refused(f"{closed.reply_code} {closed.reply_text}") from None

    def close(self):
        self.connection.close()


DOORS = {"http": Http, "websocket": WebSocket, "kafka": Kafka, "amqp": Amqp}
