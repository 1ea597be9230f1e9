"""What Kafka clients produce, HTTP clients read, and the other way round."""

import base64
import json
import time
import urllib.request

import pytest
import websocket
from confluent_kafka import Consumer, KafkaError, OFFSET_BEGINNING, Producer, TopicPartition


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_produced_by_kafka_read_over_http(broker, name, codec):
    topic = name("topic")
    broker.ask("PUT", f"/v1/topics/{topic}", {"model": "log", "log": {"partitions": 1}})
    sender = Producer({"bootstrap.servers": broker.kafka, "compression.type": codec, "linger.ms": 50})
    started = int(time.time() * 1000) - 3_600_000
    for number in range(50):
        sender.produce(topic, b"value %d" % number, b"\xffkey", timestamp=started + number,
                       headers=[("trace", b"abc"), ("raw", b"\x00\x80"), ("trace", b"again"), ("none", None)])
    assert sender.flush(30) == 0
    for records in [over_http(broker, topic, 50), over_sse(broker, topic, 50), over_a_socket(broker, topic, 50)]:
        check_records(records, started)


def over_http(broker, topic, count):
    page = broker.ask("GET", f"/v1/topics/{topic}/partitions/0/records?offset=earliest&limit={count}")
    return page["records"]


def over_sse(broker, topic, count):
    """The data of the first events of a stream."""
    records = []
    with urllib.request.urlopen(f"http://{broker.http}/v1/topics/{topic}/events?offset=earliest", timeout=30) as stream:
        for line in stream:
            if line.startswith(b"data:"):
                records.append(json.loads(line[5:]))
            if len(records) == count:
                return records


def socket_to(broker):
    return websocket.create_connection(f"ws://{broker.http}/v1/ws", subprotocols=["sluice.v1.json"], timeout=30)


def command(socket, **fields):
    """Sends a command and answers its reply."""
    socket.send(json.dumps({"id": 1, **fields}))
    while True:
        frame = json.loads(socket.recv())
        if frame.get("id") == 1:
            return frame


def over_a_socket(broker, topic, count):
    socket = socket_to(broker)
    records = []
    subscribe = {"type": "subscribe", "id": 1, "topic": topic, "from": "earliest", "credit": {"messages": count}}
    socket.send(json.dumps(subscribe))
    while len(records) < count:
        frame = json.loads(socket.recv())
        if frame["type"] == "message":
            records += frame["messages"]
    socket.close()
    return records


def check_records(records, started):
    assert [record["value"] for record in records] == [f"value {number}" for number in range(50)]
    for number, record in enumerate(records):
        assert record["offset"] == number
        assert record["timestamp"] == started + number
        assert record["key_base64"] == base64.b64encode(b"\xffkey").decode()
        headers = [(header["name"], header.get("value"), header.get("value_base64")) for header in record["headers"]]
        assert headers == [("trace", "abc", None), ("raw", None, "AIA="), ("trace", "again", None),
                           ("none", None, None)]


def test_published_over_http_read_by_kafka(broker, name):
    topic = name("topic")
    broker.ask("PUT", f"/v1/topics/{topic}", {"model": "log", "log": {"partitions": 1}})
    message = {"key": "k", "value": {"a": 1}, "headers": {"h": "v"}}
    broker.ask("POST", f"/v1/topics/{topic}/messages", {"messages": [message] * 5})
    socket = socket_to(broker)
    told = command(socket, type="publish", topic=topic, messages=[message] * 5)
    assert [result["offset"] for result in told["results"]] == list(range(5, 10))
    socket.close()
    reader = Consumer({"bootstrap.servers": broker.kafka, "group.id": name("group")})
    reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found = reader.consume(10, 30)
    reader.close()
    assert [message.offset() for message in found] == list(range(10))
    for message in found:
        assert message.key() == b"k"
        assert message.value().replace(b" ", b"") == b'{"a":1}'
        assert ("h", b"v") in message.headers()
        assert ("content-type", b"application/json") in message.headers()


@pytest.mark.parametrize("codec", ["none", "lz4", "zstd"])
def test_produced_to_a_queue_received_over_http(broker, name, codec):
    queue = name("queue")
    broker.ask("PUT", f"/v1/topics/{queue}", {"model": "queue"})
    sender = Producer({"bootstrap.servers": broker.kafka, "compression.type": codec, "linger.ms": 20})
    errors = []
    for number in range(20):
        sender.produce(queue, b"%d" % number, b"k", headers=[("h", b"v")], on_delivery=lambda e, _: errors.append(e))
    assert sender.flush(30) == 0
    assert errors == [None] * 20
    found = broker.ask("POST", f"/v1/topics/{queue}/receive", {"max": 100})["messages"]
    assert [message["value"] for message in found] == [str(number) for number in range(20)]
    assert all(message["key"] == "k" for message in found)
    assert all(message["headers"] == [{"name": "h", "value": "v"}] for message in found)


def test_a_record_that_no_queue_takes_is_named_and_spares_none_of_its_batch(broker, name):
    queue = name("queue")
    broker.ask("PUT", f"/v1/topics/{queue}", {"model": "queue"})
    sender = Producer({"bootstrap.servers": broker.kafka, "linger.ms": 500, "retries": 0})
    reports = {}
    # librdkafka tells records apart when more than one of them is at fault.
    for key, value in [(b"good", b"1"), (b"bad", None), (b"good too", b"2"), (b"bad too", None)]:
        sender.produce(queue, value, key, on_delivery=lambda error, message: reports.update({message.key(): error}))
    assert sender.flush(30) == 0
    assert {reports[b"bad"].code(), reports[b"bad too"].code()} == {KafkaError.INVALID_RECORD}
    assert {reports[b"good"].code(), reports[b"good too"].code()} == {KafkaError._INVALID_DIFFERENT_RECORD}
    assert broker.ask("POST", f"/v1/topics/{queue}/receive", {"max": 10})["messages"] == []


def test_an_idempotent_producer_to_a_queue(broker, name):
    queue = name("queue")
    broker.ask("PUT", f"/v1/topics/{queue}", {"model": "queue"})
    sender = Producer({"bootstrap.servers": broker.kafka, "enable.idempotence": True, "batch.num.messages": 10})
    errors = []
    for number in range(500):
        sender.produce(queue, b"%d" % number, on_delivery=lambda error, _: errors.append(error))
        if number % 50 == 0:
            sender.poll(0)
    assert sender.flush(30) == 0
    assert errors == [None] * 500
    found = []
    while messages := broker.ask("POST", f"/v1/topics/{queue}/receive", {"max": 100})["messages"]:
        found += [int(message["value"]) for message in messages]
    assert found == list(range(500)), "each once, and in order"
