"""aiokafka: a client of its own, in Python alone."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType


def run(story):
    asyncio.run(asyncio.wait_for(story, 90))


async def make(broker, topic, partitions=2):
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1)])
    await admin.close()


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_produce_and_consume(broker, name, codec):
    async def story():
        topic = name("topic")
        await make(broker, topic)
        sender = AIOKafkaProducer(bootstrap_servers=broker.kafka, compression_type=codec, acks="all",
                                  enable_idempotence=True)
        await sender.start()
        for number in range(200):
            await sender.send(topic, b"%d" % number, key=b"k%d" % number, headers=[("h", b"v")])
        await sender.stop()
        reader = AIOKafkaConsumer(topic, bootstrap_servers=broker.kafka, group_id=name("group"),
                                  auto_offset_reset="earliest")
        await reader.start()
        found = [await reader.getone() for _ in range(200)]
        await reader.stop()
        assert sorted(message.value for message in found) == sorted(b"%d" % number for number in range(200))
        assert all(message.key == b"k" + message.value for message in found)
        assert all(message.headers == (("h", b"v"),) for message in found)

    run(story())


def test_a_transaction_with_offsets(broker, name):
    async def story():
        topic, group = name("topic"), name("group")
        await make(broker, topic, 1)
        sender = AIOKafkaProducer(bootstrap_servers=broker.kafka, transactional_id=name("transactional"))
        await sender.start()
        part = TopicPartition(topic, 0)
        async with sender.transaction():
            await sender.send_and_wait(topic, b"in")
            await sender.send_offsets_to_transaction({part: 1}, group)
        with pytest.raises(RuntimeError):
            async with sender.transaction():
                await sender.send_and_wait(topic, b"out")
                raise RuntimeError
        await sender.stop()
        reader = AIOKafkaConsumer(bootstrap_servers=broker.kafka, group_id=group, enable_auto_commit=False,
                                  isolation_level="read_committed")
        await reader.start()
        reader.assign([part])
        assert await reader.committed(part) == 1
        reader.seek(part, 0)
        assert (await reader.getone()).value == b"in"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.getone(), 1)
        await reader.stop()

    run(story())


def test_topics_and_groups_are_administered(broker, name):
    async def story():
        topic, group = name("topic"), name("group")
        await make(broker, topic)
        sender = AIOKafkaProducer(bootstrap_servers=broker.kafka)
        await sender.start()
        await sender.send_and_wait(topic, b"value", partition=0)
        await sender.stop()
        reader = AIOKafkaConsumer(bootstrap_servers=broker.kafka, group_id=group)
        await reader.start()
        reader.assign([TopicPartition(topic, 0)])
        await reader.commit({TopicPartition(topic, 0): 1})
        await reader.stop()
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.kafka)
        await admin.start()
        assert topic in await admin.list_topics()
        [described] = await admin.describe_topics([topic])
        assert len(described["partitions"]) == 2
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": "60000"})
        await admin.alter_configs([resource])
        [told] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        assert "60000" in [entry[1] for entry in told.resources[0][4] if entry[0] == "retention.ms"]
        await admin.create_partitions({topic: NewPartitions(total_count=4)})
        [described] = await admin.describe_topics([topic])
        assert len(described["partitions"]) == 4
        assert group in [listed[0] for listed in await admin.list_consumer_groups()]
        offsets = await admin.list_consumer_group_offsets(group)
        assert offsets[TopicPartition(topic, 0)].offset == 1
        await admin.delete_topics([topic])
        assert topic not in await admin.list_topics()
        await admin.close()

    run(story())


def test_two_members_share(broker, name):
    async def story():
        topic, group = name("topic"), name("group")
        await make(broker, topic, 4)
        readers = [AIOKafkaConsumer(topic, bootstrap_servers=broker.kafka, group_id=group) for _ in range(2)]
        await asyncio.gather(*(reader.start() for reader in readers))
        for _ in range(300):
            if sorted(len(reader.assignment()) for reader in readers) == [2, 2]:
                break
            await asyncio.sleep(0.1)
        assert sorted(len(reader.assignment()) for reader in readers) == [2, 2]
        await asyncio.gather(*(reader.stop() for reader in readers))

    run(story())
