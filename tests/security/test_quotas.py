"""Quotas at every door: of a user, a client id and an address, on each thing that can be measured; and what a client that
uses more is told, or how it is held up until the quota is lifted."""

import gc
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor, wait
from http.client import HTTPConnection

import pika
import pytest
import websocket
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from conftest import Broker
from doors import authorization, Credentials
from kafka_login import METADATA, Closed, KafkaLogin, Refused, text

BIG = "x" * 1000
# Long enough for an answer that is not held back, and far shorter than what quotas here make anybody wait.
MOMENT = 0.2
MEASURES = {"requests": "requests_per_s", "produce": "produce_bytes_per_s", "consume": "consume_bytes_per_s",
            "connections": "connections", "topics": "topics"}
# What cannot be, and why.
IMPOSSIBLE = {
    **{(door, "client id", measure): "its clients give none" for door in ["http", "ws"] for measure in MEASURES},
    **{("ws", entity, "topics"): "no command of its makes a topic" for entity in ["user", "address"]},
}


@pytest.fixture(scope="module")
def metered(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("metered")).start()
    broker.must("PUT", "/v1/topics/log", {"model": "log", "log": {"partitions": 1}})
    broker.allow("group:metered", ["all"], "topic", "*")
    broker.allow("group:metered", ["describe"], "vhost", "/")
    yield broker
    broker.stop()


class Client:
    """Somebody by name, at one door. Where a client lets it choose, it comes from an address of its own: what one has used is
    owed by its address."""
    address = "127.0.0.1"
    elsewhere = ()

    def __init__(self, broker, user, measure):
        self.broker, self.user, self.open = broker, user, []
        if measure in self.elsewhere:
            self.address = "127.0.0.1"

    def first(self):
        """Connects, once connections of earlier tests are gone."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.try_first()
            except self.refusal:
                # Those of librdkafka end when nothing refers to them any more.
                gc.collect()
                assert time.monotonic() < deadline, "no place is free"
                time.sleep(0.05)

    def close(self):
        for one in self.open:
            one.close()


class Http(Client):
    address = "127.0.0.3"
    made = set()

    def connect(self):
        client = HTTPConnection(self.broker.ports["http"], timeout=30, source_address=(self.address, 0))
        self.open.append(client)
        return client, self.ask(client, "GET", "/v1/me")

    def ask(self, client, method, path, body=None):
        headers = authorization("Basic", Credentials(self.user, "pw"))
        headers["Content-Type"] = "application/json"
        client.request(method, path, json.dumps(body) if body else None, headers)
        response = client.getresponse()
        answer = json.loads(response.read())
        if response.status < 300:
            return None
        assert answer["code"] == "quota_exceeded", answer
        assert answer.get("retry_after_ms", 0) <= int(response.headers.get("Retry-After", 0)) * 1000
        return f"{response.status}{' with Retry-After' if 'Retry-After' in response.headers else ''}"

    def until_refused(self, *request):
        client, _ = self.connect()
        told = [self.ask(client, *request) for _ in range(2)]
        # Once it is lifted the same goes through: the test does that, and asks again.
        return told[1], lambda: self.ask(client, *request)

    def requests(self, queue):
        return self.until_refused("GET", f"/v1/topics/{queue}")

    def produce(self, queue):
        return self.until_refused("POST", f"/v1/topics/{queue}/messages", {"messages": [{"value": BIG}]})

    def consume(self, queue):
        return self.until_refused("GET", f"/v1/topics/{queue}/messages")

    def connections(self, _):
        self.connect()
        client, told = self.connect()
        return told, lambda: self.ask(client, "GET", "/v1/me")

    def topics(self, queue):
        client, _ = self.connect()
        self.made.update(f"{queue}-{number}" for number in range(4))
        make = lambda name: self.ask(client, "PUT", f"/v1/topics/{queue}-{name}", {"model": "queue", "queue": {}})
        assert make("1") is None
        return make("2"), lambda: make("3")


class Ws(Client):
    address = "127.0.0.2"

    def connect(self):
        host, port = self.broker.ports["http"].split(":")
        plain = socket.create_connection((host, int(port)), timeout=30, source_address=(self.address, 0))
        client = websocket.create_connection(
            f"ws://{self.broker.ports['http']}/v1/ws", subprotocols=["sluice.v1.json"], suppress_origin=True,
            header=authorization("Basic", Credentials(self.user, "pw")), timeout=30,
            socket=plain)
        self.open.append(client)
        return client

    def ask(self, client, kind, **fields):
        client.send(json.dumps({"id": 1, "type": kind, **fields}))
        answer = json.loads(client.recv())
        assert answer["type"] == "ok", answer

    def requests(self, _):
        client = self.connect()
        self.ask(client, "ping")
        return "", lambda: (self.ask(client, "ping"), self.ask(client, "ping"))

    def produce(self, queue):
        client = self.connect()
        publish = lambda: self.ask(client, "publish", topic=queue, messages=[{"value": BIG}])
        publish()
        return "", publish

    def consume(self, queue):
        client = self.connect()
        self.ask(client, "subscribe", topic=queue, credit={"messages": 10, "bytes": 1 << 20})
        take = lambda: [len(json.loads(client.recv())["messages"])]
        taken = take()

        def rest():
            while sum(taken) < 3:
                taken.extend(take())
        return "", rest

    def connections(self, _):
        self.connect()
        try:
            self.connect()
        except websocket.WebSocketBadStatusException as error:
            return str(error.status_code), self.connect
        return None, None


class Kafka(Client):
    address = "127.0.0.4"
    elsewhere = ("produce", "topics")

    def connect(self):
        client = KafkaLogin(self.broker.ports["kafka"], client_id=self.user, source=self.address)
        self.open.append(client)
        client.plain(self.user, "pw")
        return client

    def conf(self):
        return {"bootstrap.servers": self.broker.ports["kafka"], "security.protocol": "SASL_PLAINTEXT", "log_level": 0,
                "sasl.mechanisms": "PLAIN", "sasl.username": self.user, "sasl.password": "pw", "client.id": self.user}

    def requests(self, _):
        client = self.connect()
        # Of version 3, which begins with what the client is told of its quota.
        ask = lambda: client.ask(METADATA, 3, (1).to_bytes(4, "big") + text("log")).number(4)
        told = max(ask() for _ in range(2)) if not (first := ask()) else first
        return "throttle_time_ms" if told else None, ask

    def produce(self, _):
        told = []
        producer = Producer({**self.conf(), "throttle_cb": told.append, "message.timeout.ms": 60_000})

        def send():
            done = []
            producer.produce("log", BIG, on_delivery=lambda error, _: done.append(error))
            while not done:
                producer.poll(0.05)
            assert done == [None]
        send()
        while not told:
            producer.poll(0.05)
        return "throttle_time_ms" if told[0].throttle_time > 0 else None, send

    def consume(self, _):
        client = self.connect()
        told = client.fetch("log")
        return "throttle_time_ms" if told else None, lambda: client.fetch("log")

    def connections(self, _):
        self.connect()
        # As Kafka does, a client id is known with the first request that names it.
        self.open[0].topic_error("log")
        try:
            self.connect().topic_error("log")
        except Refused as refused:
            return str(refused).split(" ")[0], self.connect
        except Closed:
            return "closed", self.connect
        return None, None

    def topics(self, name):
        admin = AdminClient(self.conf())
        make = lambda topic: admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
        make(f"{name}-1")
        try:
            make(f"{name}-2")
        except KafkaException as error:
            assert error.args[0].code() == KafkaError.POLICY_VIOLATION
            return "POLICY_VIOLATION", lambda: make(f"{name}-3")
        return None, None


class Amqp(Client):
    refusal = pika.exceptions.AMQPConnectionError

    def try_first(self):
        return self.connect()

    def connect(self):
        host, port = self.broker.ports["amqp"].split(":")
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            host, int(port), credentials=pika.PlainCredentials(self.user, "pw"), heartbeat=0,
            client_properties={"connection_name": self.user}))
        self.open.append(connection)
        return connection.channel()

    def close(self):
        for one in self.open:
            one._impl._transport.abort() if one.is_open else None

    def requests(self, queue):
        channel = self.connect()
        return "", lambda: [channel.queue_declare(queue, passive=True) for _ in range(3)]

    def produce(self, queue):
        channel = self.connect()
        channel.confirm_delivery()
        return "", lambda: [channel.basic_publish("", queue, BIG) for _ in range(3)]

    def consume(self, queue):
        channel, taken = self.connect(), []
        channel.basic_consume(queue, lambda *delivery: taken.append(delivery), auto_ack=True)

        def rest():
            while len(taken) < 3:
                channel.connection.process_data_events(0.05)
        return "", rest

    def connections(self, _):
        self.first()
        try:
            self.connect()
        except pika.exceptions.ProbableAccessDeniedError as refused:
            assert "connection limit (1) is reached" in str(refused)
            return "530", self.connect
        return None, None

    def topics(self, queue):
        channel = self.connect()
        channel.queue_declare(f"{queue}-1")
        try:
            channel.queue_declare(f"{queue}-2")
        except pika.exceptions.ChannelClosedByBroker as closed:
            again = channel.connection.channel()
            return str(closed.reply_code), lambda: again.queue_declare(f"{queue}-3")
        return None, None


def topics_of(broker, address):
    names = [one["name"] for one in broker.must("GET", "/v1/topics?limit=1000")["topics"]]
    return sum((name in Http.made) == (address == Http.address) for name in names)


DOORS = {"http": Http, "ws": Ws, "kafka": Kafka, "amqp": Amqp}
# What a client is told; without a word it is held up.
TOLD = {
    **{("http", measure): "429 with Retry-After" for measure in MEASURES}, ("ws", "connections"): "429",
    **{("kafka", measure): "throttle_time_ms" for measure in ["requests", "produce", "consume"]},
    ("kafka", "connections"): "58", ("kafka", "topics"): "POLICY_VIOLATION", ("amqp", "connections"): "530",
    ("amqp", "topics"): "406",
}
CELLS = [(door, entity, measure) for door in DOORS for entity in ["user", "client id", "address"] for measure in MEASURES
         if (door, entity, measure) not in IMPOSSIBLE]


def throttled(broker, door, quota):
    line = f'sluice_quota_throttled_total{{door="{door}",quota="{quota}"}} '
    counts = [one for one in broker.must("GET", "/metrics").splitlines() if one.startswith(line)]
    return int(counts[0].split()[-1]) if counts else 0


@pytest.mark.parametrize("door,entity,measure", CELLS, ids=lambda part: part.replace(" ", "_"))
def test_quota(metered, names, door, entity, measure):
    name, quota = names("metered"), MEASURES[measure]
    metered.user(name, groups=["metered"])
    metered.must("PUT", f"/v1/topics/{name}", {"model": "queue", "queue": {}})
    filled = {"messages": [{"value": BIG}] * 3}
    for topic in [name, "log"]:
        metered.must("POST", f"/v1/topics/{topic}/messages", filled)
    before = throttled(metered, door, quota)
    client = DOORS[door](metered, name, measure)
    whose = {"user": {"user": name}, "client id": {"client_id": name}, "address": {"address": client.address}}[entity]
    # An address has what other tests made from it, too.
    limit = 1 + (topics_of(metered, client.address) if (entity, measure) == ("address", "topics") else 0)
    set_to = metered.must("PUT", "/v1/quotas", {"entity": whose, "limits": {quota: limit}})["id"]
    lift = lambda: metered.must("DELETE", f"/v1/quotas/{set_to}")
    lifted = False
    try:
        told, go_on = getattr(client, measure)(name)
        assert told == TOLD.get((door, measure), "")
        with ThreadPoolExecutor() as pool:
            try:
                if told in ("", "throttle_time_ms"):
                    going_on = pool.submit(go_on)
                    while throttled(metered, door, quota) == before:
                        assert not going_on.done() or going_on.exception() is None
                    assert not wait([going_on], MOMENT).done, "it is not held up"
            finally:
                lift()
                lifted = True
            if told in ("", "throttle_time_ms"):
                going_on.result(timeout=60)
            else:
                assert throttled(metered, door, quota) > before, "it is counted"
                for one in client.open if measure == "connections" else []:
                    one.close()
                client.open = []
                go_on()
    finally:
        if not lifted:
            lift()
        client.close()


def test_every_cell_is_there_or_has_a_reason():
    every = {(door, entity, measure) for door in DOORS for entity in ["user", "client id", "address"]
             for measure in MEASURES}
    assert every == set(CELLS) | set(IMPOSSIBLE) and not set(CELLS) & set(IMPOSSIBLE)
