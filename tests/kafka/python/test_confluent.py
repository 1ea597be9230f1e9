"""confluent-kafka, which is librdkafka."""

import time

import pytest
from confluent_kafka import (
    Consumer, ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, OFFSET_BEGINNING, Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec,
)

PATIENCE = 60


@pytest.fixture
def admin(broker):
    return AdminClient({"bootstrap.servers": broker.kafka})


@pytest.fixture
def topic(admin, name):
    topic = name("topic")
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(PATIENCE)
    return topic


def producer(broker, **settings):
    return Producer({"bootstrap.servers": broker.kafka, **{k.replace("_", "."): v for k, v in settings.items()}})


def consumer(broker, group, **settings):
    config = {"bootstrap.servers": broker.kafka, "group.id": group, "auto.offset.reset": "earliest",
              "enable.auto.commit": False, "session.timeout.ms": 10000}
    return Consumer({**config, **{k.replace("_", "."): v for k, v in settings.items()}})


def send(broker, topic, values, **settings):
    errors, sent = [], []
    sender = producer(broker, **settings)
    for value in values:
        sender.produce(topic, value=value, key=b"key-" + value, headers=[("h", b"\x00\xff"), ("empty", None)],
                       on_delivery=lambda error, message: (errors if error else sent).append(error or message))
        sender.poll(0)
    assert sender.flush(PATIENCE) == 0
    assert errors == []
    return sent


def take(reader, count):
    """The next `count` records."""
    found, deadline = [], time.monotonic() + PATIENCE
    while len(found) < count and time.monotonic() < deadline:
        for message in reader.consume(count - len(found), 1.0):
            assert message.error() is None, message.error()
            found.append(message)
    assert len(found) == count
    return found


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_records_come_back_as_they_were_sent(broker, topic, name, codec, acks):
    values = [b"%d-" % number + b"v" * 100 for number in range(500)]
    send(broker, topic, values, compression_type=codec, acks=acks, linger_ms=10)
    reader = consumer(broker, name("group"))
    reader.subscribe([topic])
    found = take(reader, len(values))
    assert sorted(message.value() for message in found) == sorted(values)
    for message in found:
        assert message.key() == b"key-" + message.value()
        assert message.headers() == [("h", b"\x00\xff"), ("empty", None)]
    reader.close()


def test_the_producer_of_the_issue(broker, topic):
    sent = send(
        broker, topic, [b"%d" % number for number in range(5000)], acks="all", enable_idempotence=True,
        compression_type="lz4", linger_ms=10, batch_num_messages=1000, message_timeout_ms=60000,
    )
    assert len({(message.partition(), message.offset()) for message in sent}) == 5000


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_goes_on_where_it_committed(broker, topic, name, protocol):
    settings = {"group_protocol": protocol}
    if protocol == "consumer":
        settings["session_timeout_ms"] = None
    group = name("group")

    def reader():
        config = {"bootstrap.servers": broker.kafka, "group.id": group, "auto.offset.reset": "earliest",
                  "enable.auto.commit": False, "max.poll.interval.ms": 300000, "fetch.min.bytes": 1024,
                  "fetch.wait.max.ms": 100, "fetch.max.bytes": 52428800, "group.protocol": protocol}
        return Consumer(config)

    send(broker, topic, [b"%d" % number for number in range(100)])
    first = reader()
    first.subscribe([topic])
    seen = []
    for message in take(first, 60):
        first.commit(message=message, asynchronous=False)
        seen.append(message.value())
    first.close()
    second = reader()
    second.subscribe([topic])
    seen += [message.value() for message in take(second, 40)]
    second.close()
    assert sorted(seen) == sorted(b"%d" % number for number in range(100))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_members_share_a_topic_and_hand_it_over(broker, topic, name, protocol):
    group, events = name("group"), []

    def reader(label):
        config = {"bootstrap.servers": broker.kafka, "group.id": group, "auto.offset.reset": "earliest",
                  "enable.auto.commit": False, "group.protocol": protocol}
        if protocol == "classic":
            config["partition.assignment.strategy"] = "cooperative-sticky"
        made = Consumer(config)
        made.subscribe(
            [topic],
            on_assign=lambda _, parts: events.append((label, "assigned", [part.partition for part in parts])),
            on_revoke=lambda _, parts: events.append((label, "revoked", [part.partition for part in parts])),
        )
        return made

    def settle(readers, wanted):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for one in readers:
                one.poll(0.1)
            shares = [len(one.assignment()) for one in readers]
            if sum(shares) == 3 and wanted(shares):
                return
        raise AssertionError([one.assignment() for one in readers])

    one = reader("one")
    settle([one], lambda shares: shares == [3])
    two = reader("two")
    settle([one, two], lambda shares: sorted(shares) == [1, 2])
    one.close()
    settle([two], lambda shares: shares == [3])
    two.close()
    assert ("one", "assigned") in {event[:2] for event in events}
    assert ("one", "revoked") in {event[:2] for event in events}


def test_watermarks_seeks_and_pauses(broker, topic, name):
    send(broker, topic, [b"%d" % number for number in range(30)])
    reader = consumer(broker, name("group"))
    part = TopicPartition(topic, 0)
    low, high = reader.get_watermark_offsets(part, PATIENCE)
    assert low == 0 and high > 0
    reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    assert [message.offset() for message in take(reader, high)] == list(range(high))
    reader.pause([part])
    reader.seek(TopicPartition(topic, 0, 0))
    assert reader.poll(0.3) is None
    reader.resume([part])
    assert take(reader, 1)[0].offset() == 0
    now = int(time.time() * 1000)
    [late] = reader.offsets_for_times([TopicPartition(topic, 0, now + 3_600_000)], PATIENCE)
    [early] = reader.offsets_for_times([TopicPartition(topic, 0, now - 3_600_000)], PATIENCE)
    assert (early.offset, late.offset) == (0, -1)
    reader.close()


def test_a_transaction_is_seen_whole_or_not_at_all(broker, topic, name):
    sender = producer(broker, transactional_id=name("transactional"))
    sender.init_transactions(PATIENCE)
    for outcome in ["commit", "abort", "commit"]:
        sender.begin_transaction()
        for number in range(10):
            sender.produce(topic, b"%s-%d" % (outcome.encode(), number), partition=0)
        if outcome == "commit":
            sender.commit_transaction(PATIENCE)
        else:
            sender.flush(PATIENCE)
            sender.abort_transaction(PATIENCE)
    committed = consumer(broker, name("group"), isolation_level="read_committed")
    committed.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    assert {message.value().split(b"-")[0] for message in take(committed, 20)} == {b"commit"}
    committed.close()
    everything = consumer(broker, name("group"), isolation_level="read_uncommitted")
    everything.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    assert len(take(everything, 30)) == 30
    everything.close()


def test_consume_transform_produce(broker, admin, topic, name):
    group, out = name("group"), name("out")
    admin.create_topics([NewTopic(out, 1, 1)])[out].result(PATIENCE)
    send(broker, topic, [b"%d" % number for number in range(50)])
    reader = consumer(broker, group)
    reader.subscribe([topic])
    sender = producer(broker, transactional_id=name("transactional"))
    sender.init_transactions(PATIENCE)
    for keep in [False, True]:
        if not keep:
            first = take(reader, 50)
        sender.begin_transaction()
        for message in first:
            sender.produce(out, b"out-" + message.value())
        positions = reader.position(reader.assignment())
        sender.send_offsets_to_transaction(positions, reader.consumer_group_metadata(), PATIENCE)
        if keep:
            sender.commit_transaction(PATIENCE)
        else:
            sender.abort_transaction(PATIENCE)
            assert all(part.offset < 0 for part in reader.committed(reader.assignment(), PATIENCE))
    assert sum(part.offset for part in reader.committed(reader.assignment(), PATIENCE)) == 50
    reader.close()
    result = consumer(broker, name("group"), isolation_level="read_committed")
    result.subscribe([out])
    assert {message.value() for message in take(result, 50)} == {b"out-%d" % number for number in range(50)}
    result.close()


def test_a_fenced_producer_is_told(broker, topic, name):
    transactional = name("transactional")
    old = producer(broker, transactional_id=transactional)
    old.init_transactions(PATIENCE)
    old.begin_transaction()
    old.produce(topic, b"old")
    old.flush(PATIENCE)
    new = producer(broker, transactional_id=transactional)
    new.init_transactions(PATIENCE)
    with pytest.raises(KafkaException) as refused:
        old.commit_transaction(PATIENCE)
    assert refused.value.args[0].fatal()
    new.begin_transaction()
    new.produce(topic, b"new")
    new.commit_transaction(PATIENCE)


def test_topics_are_made_changed_and_deleted(admin, name):
    topic = name("topic")
    admin.create_topics([NewTopic(topic, 2, 1, config={"retention.ms": "60000"})])[topic].result(PATIENCE)
    with pytest.raises(KafkaException) as refused:
        admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(PATIENCE)
    assert refused.value.args[0].name() == "TOPIC_ALREADY_EXISTS"
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    change = ConfigResource(
        ConfigResource.Type.TOPIC, topic,
        incremental_configs=[ConfigEntry("segment.bytes", "1048576", incremental_operation=AlterConfigOpType.SET)],
    )
    admin.incremental_alter_configs([change])[change].result(PATIENCE)
    config = admin.describe_configs([resource])[resource].result(PATIENCE)
    assert config["retention.ms"].value == "60000"
    assert config["segment.bytes"].value == "1048576"
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(PATIENCE)
    assert len(admin.list_topics(topic, PATIENCE).topics[topic].partitions) == 5
    admin.delete_topics([topic])[topic].result(PATIENCE)
    assert topic not in admin.list_topics(timeout=PATIENCE).topics


def test_groups_are_listed_described_altered_and_deleted(broker, admin, topic, name):
    group = name("group")
    send(broker, topic, [b"%d" % number for number in range(20)])
    reader = consumer(broker, group)
    reader.subscribe([topic])
    take(reader, 20)
    reader.commit(asynchronous=False)
    described = admin.describe_consumer_groups([group])[group].result(PATIENCE)
    assert described.state.name == "STABLE" and len(described.members) == 1
    assert group in {one.group_id for one in admin.list_consumer_groups().result(PATIENCE).valid}
    with pytest.raises(KafkaException):
        admin.delete_consumer_groups([group])[group].result(PATIENCE)
    reader.close()
    offsets = [TopicPartition(topic, number, 1) for number in range(3)]
    request = ConsumerGroupTopicPartitions(group, offsets)
    admin.alter_consumer_group_offsets([request])[group].result(PATIENCE)
    asked = ConsumerGroupTopicPartitions(group)
    told = admin.list_consumer_group_offsets([asked])[group].result(PATIENCE)
    assert {part.offset for part in told.topic_partitions} == {1}
    admin.delete_consumer_groups([group])[group].result(PATIENCE)


def test_offsets_are_listed_by_what_they_mean(broker, admin, topic):
    sent = send(broker, topic, [b"a", b"b", b"c"])
    part = TopicPartition(topic, sent[0].partition())
    for spec in [OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.max_timestamp()]:
        found = admin.list_offsets({part: spec}, isolation_level=IsolationLevel.READ_COMMITTED)[part].result(PATIENCE)
        assert found.offset >= 0


def test_records_survive_a_kill(own_broker, name):
    topic = name("topic")
    values = [b"%d" % number for number in range(200)]
    send(own_broker, topic, values, acks="all")
    own_broker.kill()
    own_broker.start()
    reader = consumer(own_broker, name("group"))
    reader.subscribe([topic])
    assert sorted(message.value() for message in take(reader, 200)) == sorted(values)
    reader.close()
