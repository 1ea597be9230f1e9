"""What is changed is written down, whatever door it is changed through: who, from where, what. What changes nothing is not."""

import os
import subprocess
import urllib.parse

import pika
import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   ResourceType)

from audited import audited_broker, lines_of, written
from conftest import SECRET, Broker

PATTERN = {"pattern": "^x", "definition": {"max-length": 10}}
RESET = {"topics": ["log1"], "to": "earliest"}


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    broker = audited_broker(tmp_path_factory.mktemp("changed"))
    yield broker
    broker.stop()


def http(method, path, body=None):
    return lambda broker: broker.must(method, path, body)


def in_order(broker, door, steps, user="admin"):
    """Does one step after the other, and looks at what is written of each."""
    for step, told in steps:
        seen = written(broker, step, least=len(told))
        assert seen == [(event, door, user, about) for event, about in told]
    # What was done since is in it, too, and nothing else.
    assert written(broker, http("GET", "/v1/topics"), least=0) == []


QUEUE = {"model": "queue", "queue": {}}
LOG = {"model": "log", "log": {"partitions": 2, "config": {"retention.ms": "5000"}}}
BINDING = {"source": "x1", "destination": "q1", "destination_type": "queue", "routing_key": "k"}


def unbind(broker):
    [binding] = broker.must("GET", "/v1/bindings?source=x1")["bindings"]
    broker.must("DELETE", f"/v1/bindings/{binding['id']}")


def message_of(queue, method, body=None, more=""):
    def act(broker):
        broker.must("POST", f"/v1/topics/{queue}/messages", {"messages": [{"value": 1}]})
        identity = broker.must("GET", f"/v1/topics/{queue}/messages")["messages"][-1]["id"]
        broker.must(method, f"/v1/topics/{queue}/messages/{identity}{more}", body)
    return act


def test_over_http(audited):
    in_order(audited, "http", [
        (http("PUT", "/v1/topics/q1", QUEUE), [("topic_made", "queue q1")]),
        (http("PUT", "/v1/topics/q1", QUEUE), []),
        (http("PUT", "/v1/topics/log1", LOG), [("topic_made", "log log1, 2 partitions, retention.ms=5000")]),
        (http("PUT", "/v1/topics/log1", LOG), []),
        (http("PATCH", "/v1/topics/q1", {"queue": {"max_length": 7}}), [("topic_changed", "queue q1")]),
        (http("PATCH", "/v1/topics/q1", {"queue": {"max_length": 7}}), []),
        (http("PATCH", "/v1/topics/log1", {"log": {"partitions": 3}}),
         [("topic_changed", "log log1, 3 partitions, retention.ms=5000")]),
        (http("PUT", "/v1/exchanges/x1", {"type": "direct"}), [("exchange_made", "exchange x1, direct")]),
        (http("PUT", "/v1/exchanges/x1", {"type": "direct"}), []),
        (http("POST", "/v1/bindings", BINDING), [("binding_made", 'from exchange x1 to queue q1 by "k"')]),
        (http("POST", "/v1/bindings", BINDING), []),
        (unbind, [("binding_deleted", 'from exchange x1 to queue q1 by "k"')]),
        (http("DELETE", "/v1/exchanges/x1"), [("exchange_deleted", "exchange x1")]),
        (http("PUT", "/v1/vhosts/shop"), [("vhost_made", 'virtual host "shop"')]),
        (http("PUT", "/v1/vhosts/shop"), []),
        (http("DELETE", "/v1/vhosts/shop"), [("vhost_deleted", 'virtual host "shop"')]),
        (http("POST", "/v1/groups/g1/reset", RESET), [("group_offsets_set", "group g1 in log1")]),
        (http("POST", "/v1/groups/g1/reset", {**RESET, "dry_run": True}), []),
        (http("DELETE", "/v1/groups/g1"), [("group_deleted", "group g1")]),
        (lambda broker: broker.must("POST", "/v1/topics/log1/messages", {"messages": [{"value": 1, "partition": 0}]}), []),
        (http("DELETE", "/v1/topics/log1"), [("topic_deleted", "log log1")]),
        (http("DELETE", "/v1/topics/q1"), [("topic_deleted", "queue q1")]),
    ])


def test_what_fails_is_no_change(audited):
    for method, path in [("DELETE", "/v1/topics/none"), ("DELETE", "/v1/exchanges/none"), ("DELETE", "/v1/groups/none"),
                         ("DELETE", "/v1/vhosts/none"), ("DELETE", "/api/queues/%2f/none")]:
        assert written(audited, lambda broker: broker.ask(method, path), least=0) == []


@pytest.fixture(scope="module")
def kafka(audited):
    return AdminClient({"bootstrap.servers": audited.ports["kafka"], "security.protocol": "SASL_PLAINTEXT",
                        "sasl.mechanisms": "PLAIN", "sasl.username": "admin", "sasl.password": SECRET})


def done(futures):
    return lambda _: [future.result(20) for future in futures().values()]


def setting(value):
    resource = ConfigResource(ResourceType.TOPIC, "k1")
    entry = ConfigEntry("retention.ms", value, incremental_operation=AlterConfigOpType.SET)
    resource.add_incremental_config(entry)
    return [resource]


def produce(broker):
    broker.must("POST", "/v1/topics/k1/messages", {"messages": [{"value": 1, "partition": 0}]})


def test_over_kafka(audited, kafka):
    group = lambda offset: [ConsumerGroupTopicPartitions("kg", [TopicPartition("k1", 0, offset)])]
    two = "log k1, 2 partitions, retention.ms=7000"
    new = [NewTopic("k1", 1, 1)]
    in_order(audited, "kafka", [
        (done(lambda: kafka.create_topics(new, validate_only=True)), []),
        (done(lambda: kafka.create_topics(new)), [("topic_made", "log k1, 1 partitions")]),
        (done(lambda: kafka.incremental_alter_configs(setting("7000"))),
         [("topic_changed", "log k1, 1 partitions, retention.ms=7000")]),
        (done(lambda: kafka.incremental_alter_configs(setting("7000"))), []),
        (done(lambda: kafka.create_partitions([NewPartitions("k1", 2)])), [("topic_changed", two)]),
        (produce, []),
        (done(lambda: kafka.alter_consumer_group_offsets(group(1))), [("group_offsets_set", "group kg in k1")]),
        (done(lambda: kafka.delete_records([TopicPartition("k1", 0, 1)])),
         [("records_deleted", "log k1 partition 0 before 1")]),
        (done(lambda: kafka.delete_consumer_groups(["kg"])), [("group_deleted", "group kg")]),
        (done(lambda: kafka.delete_topics(["k1"])), [("topic_deleted", "log k1")]),
    ])


def tool(name, *arguments):
    """Runs one of Apache Kafka's own tools as the administrator."""
    def act(broker):
        login = broker.home / "tool.properties"
        login.write_text(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
            "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
            f'username="admin" password="{SECRET}";\n')
        command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{os.environ['CLIENTS']}/kafka-tools/*", name,
                   "--bootstrap-server", broker.ports["kafka"], "--command-config", str(login), *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=100)
        assert ran.returncode == 0 and "rror" not in ran.stdout, ran.stdout + ran.stderr
    return act


def test_what_changes_a_share_group(audited):
    shares = "org.apache.kafka.tools.consumer.group.ShareGroupCommand"
    configs = ["kafka.admin.ConfigCommand", "--alter", "--entity-type", "groups", "--entity-name", "sg"]
    audited.must("PUT", "/v1/topics/shared", {"model": "log", "log": {"partitions": 1}})
    audited.must("POST", "/v1/topics/shared/messages", {"messages": [{"value": 1}]})
    in_order(audited, "kafka", [
        (tool(*configs, "--add-config", "share.auto.offset.reset=earliest"),
         [("group_changed", "group sg, share.auto.offset.reset=earliest")]),
        (tool(shares, "--reset-offsets", "--group", "sg", "--topic", "shared", "--to-latest", "--execute"),
         [("group_offsets_set", "share group sg in shared")]),
        (tool(shares, "--delete-offsets", "--group", "sg", "--topic", "shared"),
         [("group_offsets_deleted", "share group sg in shared")]),
        (tool(*configs, "--delete-config", "share.auto.offset.reset"),
         [("group_changed", "group sg, without share.auto.offset.reset")]),
    ])


def test_what_a_kafka_group_commits_for_itself_is_no_change(audited, kafka):
    audited.must("PUT", "/v1/topics/plain", {"model": "log", "log": {"partitions": 1}})
    audited.must("POST", "/v1/topics/plain/messages", {"messages": [{"value": 1}]})

    def consume(_):
        consumer = Consumer({"bootstrap.servers": audited.ports["kafka"], "security.protocol": "SASL_PLAINTEXT",
                             "sasl.mechanisms": "PLAIN", "sasl.username": "admin", "sasl.password": SECRET,
                             "group.id": "plain", "auto.offset.reset": "earliest", "enable.auto.commit": False})
        consumer.subscribe(["plain"])
        assert consumer.poll(20).error() is None
        consumer.commit(asynchronous=False)
        consumer.close()
    assert written(audited, consume, least=0) == []


@pytest.fixture
def amqp(audited):
    host, port = audited.ports["amqp"].split(":")
    connection = pika.BlockingConnection(pika.ConnectionParameters(
        host, int(port), credentials=pika.PlainCredentials("admin", SECRET)))
    yield connection.channel()
    if connection.is_open:
        connection.close()


def test_over_amqp(audited, amqp):
    declare = lambda _: amqp.queue_declare("a1", durable=True)
    stream = lambda _: amqp.queue_declare("as", durable=True, arguments={"x-queue-type": "stream"})
    exchange = lambda _: amqp.exchange_declare("ax", "fanout")
    bind = lambda _: amqp.queue_bind("a1", "ax", "k", {"n": 1})
    in_order(audited, "amqp", [
        (declare, [("topic_made", "queue a1")]),
        # Clients say again and again what is there.
        (declare, []),
        (stream, [("topic_made", "log as, 1 partitions")]),
        (stream, []),
        (exchange, [("exchange_made", "exchange ax, fanout")]),
        (exchange, []),
        (bind, [("binding_made", 'from exchange ax to queue a1 by "k", n=1')]),
        (bind, []),
        (lambda _: amqp.queue_purge("a1"), [("queue_purged", "queue a1")]),
        (lambda _: amqp.queue_unbind("a1", "ax", "k", {"n": 1}),
         [("binding_deleted", 'from exchange ax to queue a1 by "k", n=1')]),
        (lambda _: amqp.queue_unbind("a1", "ax", "k"), []),
        (lambda _: amqp.exchange_delete("ax"), [("exchange_deleted", "exchange ax")]),
        (lambda _: amqp.exchange_delete("ax"), []),
        (lambda _: amqp.queue_delete("a1"), [("topic_deleted", "queue a1")]),
        (lambda _: amqp.queue_delete("a1"), []),
        (lambda _: amqp.queue_delete("as"), [("topic_deleted", "log as")]),
    ])


def test_what_the_server_deletes_by_itself_is_its_own(audited, amqp):
    amqp.queue_declare("brief", exclusive=True)
    told = written(audited, lambda _: amqp.connection.close())
    assert told == [("topic_deleted", "server", "", "queue brief")]


def test_over_the_management_api(audited):
    in_order(audited, "http", [
        (http("PUT", "/api/vhosts/m"), [("vhost_made", 'virtual host "m"')]),
        (http("PUT", "/api/queues/m/q", {"durable": True}), [("topic_made", "queue m/q")]),
        (http("PUT", "/api/queues/m/q", {"durable": True}), []),
        (http("PUT", "/api/exchanges/m/x", {"type": "topic"}), [("exchange_made", "exchange m/x, topic")]),
        (http("POST", "/api/bindings/m/e/x/q/q", {"routing_key": "r"}),
         [("binding_made", 'from exchange m/x to queue m/q by "r"')]),
        (http("PUT", "/api/policies/m/p", PATTERN), [("policy_set", 'policy "p" of "m"')]),
        (http("PUT", "/api/policies/m/p", PATTERN), []),
        (http("DELETE", "/api/policies/m/p"), [("policy_deleted", 'policy "p" of "m"')]),
        (http("PUT", "/api/operator-policies/m/o", PATTERN), [("policy_set", 'operator policy "o" of "m"')]),
        (http("DELETE", "/api/queues/m/q/contents"), [("queue_purged", "queue m/q")]),
        (http("DELETE", "/api/bindings/m/e/x/q/q/r"), [("binding_deleted", 'from exchange m/x to queue m/q by "r"')]),
        (http("DELETE", "/api/exchanges/m/x"), [("exchange_deleted", "exchange m/x")]),
        (http("DELETE", "/api/queues/m/q"), [("topic_deleted", "queue m/q")]),
        (http("DELETE", "/api/vhosts/m"), [("vhost_deleted", 'virtual host "m"')]),
    ])


def test_single_messages_and_jobs(audited):
    for queue in ["from", "to"]:
        audited.must("PUT", f"/v1/topics/{queue}", QUEUE)
    audited.must("PUT", "/v1/topics/past", {"model": "log", "log": {"partitions": 1}})
    audited.must("POST", "/v1/topics/past/messages", {"messages": [{"value": 1}]})

    def told(act):
        [(event, door, user, about)] = written(audited, act)
        assert (door, user) == ("http", "admin")
        return event, about.partition(" of ")[2].partition(":")[0] or about
    assert told(message_of("from", "DELETE")) == ("message_deleted", "queue from")
    assert told(message_of("from", "PATCH", {"delay_ms": 5})) == ("message_changed", "queue from")
    move = {"destination": {"topic": "to"}}
    assert told(message_of("from", "POST", move, "/move")) == ("message_moved", "queue from to queue to")
    replay = {"source": {"topic": "past", "from": "earliest"}, "destination": {"topic": "to"}}
    assert told(http("POST", "/v1/replays", replay)) == ("job_started", "job 1: replay past to to")
    assert told(http("POST", "/v1/replays/1/cancel")) == ("job_cancelled", "past")


def test_a_transaction_that_an_administrator_aborts(audited, tmp_path):
    audited.must("PUT", "/v1/topics/hung", {"model": "log", "log": {"partitions": 1}})
    conf = {"bootstrap.servers": audited.ports["kafka"], "security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "PLAIN",
            "sasl.username": "admin", "sasl.password": SECRET}
    producer = Producer({**conf, "transactional.id": "hung-1"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce("hung", b"x")
    producer.flush(20)
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    (tmp_path / "admin.properties").write_text(
        f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
        f'sasl.jaas.config={module} required username="admin" password="{SECRET}";\n')

    def abort(_):
        subprocess.run(
            ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{os.environ['CLIENTS']}/kafka-tools/*",
             "org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server", audited.ports["kafka"], "--command-config",
             str(tmp_path / "admin.properties"), "abort", "--topic", "hung", "--partition", "0", "--start-offset", "0"],
            check=True, capture_output=True, timeout=120)
    assert written(audited, abort) == [("transaction_aborted", "kafka", "admin", "transactional id hung-1")]
    # A client that ends its own changes nothing but data.
    producer = Producer({**conf, "transactional.id": "calm-1"})

    def own(_):
        producer.init_transactions(20)
        producer.begin_transaction()
        producer.produce("hung", b"x")
        producer.abort_transaction(20)
    assert written(audited, own, least=0) == []


def test_connections_that_an_administrator_closes(audited, amqp):
    [name] = [one["name"] for one in audited.must("GET", "/api/connections")]
    at = f"/api/connections/{urllib.parse.quote(name, safe='')}"
    assert written(audited, http("DELETE", at)) == [("connection_closed", "http", "admin", name)]
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
        while True:
            amqp.connection.process_data_events(0.05)


def test_lines_say_what_became_of_it(audited):
    audited.ask("GET", "/v1/topics", login="eve:wrong")
    outcomes = {line["event"]: line["outcome"] for line in lines_of(audited)}
    assert (outcomes["topic_made"], outcomes["user_set"], outcomes["login_failed"]) == ("done", "done", "refused")


def test_without_users_it_is_told_through_which_door(tmp_path):
    broker = Broker(tmp_path, "--set", "auth.admin_user=", "--set", "auth.admin_password_file=", "--set", f"auth.audit_file={tmp_path / 'audit.log'}").start()
    try:
        assert written(broker, lambda _: broker.must("PUT", "/v1/topics/q", QUEUE, login=None)) == [
            ("topic_made", "http", "", "queue q")]
        assert written(broker, lambda _: broker.must("DELETE", "/v1/topics/q/messages", login=None)) == [
            ("queue_purged", "http", "", "queue q")]
        assert written(broker, lambda _: broker.must("PUT", "/api/queues/%2f/m", {}, login="guest:guest")) == [
            ("topic_made", "http", "", "queue m")]
        admin = AdminClient({"bootstrap.servers": broker.ports["kafka"]})
        assert written(broker, done(lambda: admin.create_topics([NewTopic("k", 1, 1)]))) == [
            ("topic_made", "kafka", "", "log k, 1 partitions")]
        host, port = broker.ports["amqp"].split(":")
        connection = pika.BlockingConnection(pika.ConnectionParameters(host, int(port)))
        assert written(broker, lambda _: connection.channel().queue_declare("a")) == [
            ("topic_made", "amqp", "", "queue a")]
        connection.close()
    finally:
        broker.stop()
