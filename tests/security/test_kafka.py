"""Kafka's own clients log in, are refused, renew their logins and are put out, as they expect it of a broker."""

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_login import Closed, KafkaLogin, text

MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def settings(broker, user, password, mechanism="PLAIN", **more):
    errors = []
    return {"bootstrap.servers": broker.ports["kafka"], "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": password,
            "error_cb": errors.append, "socket.timeout.ms": 10000, "log_level": 0, **more}, errors


def send(conf, topic, value=b"x"):
    """Sends one record; answers the error code, or None."""
    producer, outcome = Producer({**conf, "message.timeout.ms": 8000}), []
    producer.produce(topic, value, on_delivery=lambda error, _: outcome.append(error))
    producer.flush(20)
    return outcome[0].code() if outcome and outcome[0] else None


def login_error(conf, errors):
    """The error that a client is told whose login is refused."""
    client = AdminClient(conf)
    with pytest.raises(KafkaException):
        client.list_topics(timeout=6)
    client.poll(0)
    return {error.code() for error in errors}


@pytest.fixture(scope="module")
def orders(broker):
    broker.user("kate")
    broker.must("PUT", "/v1/topics/orders", {"model": "log", "log": {"partitions": 1}})
    broker.must("PUT", "/v1/topics/secret", {"model": "log", "log": {"partitions": 1}})
    broker.allow("user:kate", ["read", "write"], "topic", "orders")
    broker.allow("user:kate", ["read"], "group", "kate-", match="prefix")
    return "orders"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_right_credentials(broker, orders, mechanism):
    conf, _ = settings(broker, "kate", "pw", mechanism)
    assert send(conf, orders) is None
    consumer = Consumer({**conf, "group.id": f"kate-{mechanism}", "auto.offset.reset": "earliest"})
    consumer.subscribe([orders])
    message = consumer.poll(20)
    assert message is not None and message.error() is None
    consumer.close()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("user,password", [("kate", "wrong"), ("nobody", "pw")])
def test_wrong_credentials(broker, orders, mechanism, user, password):
    conf, errors = settings(broker, user, password, mechanism)
    assert KafkaError._AUTHENTICATION in login_error(conf, errors)


def test_a_mechanism_that_is_not_offered(broker):
    conf, errors = settings(broker, "kate", "pw", "PLAIN")
    conf["security.protocol"] = "PLAINTEXT"
    client = AdminClient(conf)
    with pytest.raises(KafkaException):
        client.list_topics(timeout=4)


def test_a_password_for_one_mechanism_only(broker, names):
    name = names("solo")
    broker.must("PUT", f"/v1/users/{name}", {"password": "pw", "mechanisms": ["SCRAM-SHA-512"]})
    broker.allow(f"user:{name}", ["write"], "topic", "orders")
    assert send(settings(broker, name, "pw", "SCRAM-SHA-512")[0], "orders") is None
    assert send(settings(broker, name, "pw", "PLAIN")[0], "orders") is None
    conf, errors = settings(broker, name, "pw", "SCRAM-SHA-256")
    assert KafkaError._AUTHENTICATION in login_error(conf, errors)


def test_what_is_not_allowed(broker, orders):
    conf, _ = settings(broker, "kate", "pw")
    assert send(conf, "secret") == KafkaError.TOPIC_AUTHORIZATION_FAILED
    admin = AdminClient(conf)
    seen = admin.list_topics(timeout=10).topics
    assert set(seen) == {"orders"}, "metadata shows what may be seen"
    made = admin.create_topics([NewTopic("mine", 1)])
    with pytest.raises(KafkaException) as refused:
        made["mine"].result(10)
    assert refused.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    consumer = Consumer({**conf, "group.id": "other"})
    consumer.subscribe([orders])
    message = consumer.poll(15)
    assert message is not None and message.error().code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    consumer.close()


def test_an_api_key_is_a_password(broker, orders):
    key = broker.must("POST", "/v1/users/kate/keys", {})["key"]
    assert send(settings(broker, "kate", key)[0], orders) is None


@pytest.mark.parametrize("change", ["password", "delete"])
def test_revoked_while_connected(broker, names, change):
    name = names("fired")
    broker.user(name)
    broker.allow(f"user:{name}", ["read", "write"], "topic", "orders")
    conf, errors = settings(broker, name, "pw")
    producer, outcome = Producer({**conf, "message.timeout.ms": 8000}), []
    producer.produce("orders", b"x", on_delivery=lambda error, _: outcome.append(error))
    producer.flush(20)
    assert outcome == [None]
    if change == "password":
        broker.user(name, "new")
    else:
        broker.must("DELETE", f"/v1/users/{name}")
    producer.produce("orders", b"x", on_delivery=lambda error, _: outcome.append(error))
    producer.flush(20)
    assert outcome[1] is not None
    assert KafkaError._AUTHENTICATION in {error.code() for error in errors}


def test_tokens_without_a_header_follow_the_first_version_of_the_handshake(broker, orders):
    def token_of(client, data):
        client.socket.sendall(len(data).to_bytes(4, "big") + data)
        return client.receive(int.from_bytes(client.receive(4), "big"))
    client = KafkaLogin(broker.ports["kafka"])
    answer = client.ask(17, 0, text("PLAIN"))
    assert answer.number(2) == 0
    assert token_of(client, b"\0kate\0pw") == b""
    assert client.topic_error(orders) == 0
    client.close()
    client = KafkaLogin(broker.ports["kafka"])
    client.ask(17, 0, text("PLAIN"))
    with pytest.raises(Closed):
        token_of(client, b"\0kate\0wrong")


def test_unknown_apis_before_the_login_close_the_connection(broker):
    import socket
    host, port = broker.ports["kafka"].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        # Metadata, version 0, all topics.
        body = b"\x00\x03\x00\x00\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00"
        client.sendall(len(body).to_bytes(4, "big") + body)
        assert client.recv(100) == b""
