// What the two libraries write differently; the programs are the same.
import assert from 'node:assert/strict'
import confluent from '@confluentinc/kafka-javascript'
import kafkajs from 'kafkajs'
import lz4 from 'lz4js'
import snappy from 'snappyjs'

// Tests do not want to wait.
const QUICK = { sessionTimeout: 10000, maxWaitTimeInMs: 100 }

const { CompressionCodecs, CompressionTypes, Kafka } = kafkajs

// KafkaJS brings gzip along and takes the other codecs from whoever uses it.
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => Buffer.from(lz4.compress(encoder.buffer)),
  decompress: async (bytes) => Buffer.from(lz4.decompress(bytes)),
})
CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: async (encoder) => {
    const block = Buffer.from(snappy.compress(encoder.buffer))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    return Buffer.concat([XERIAL, length, block])
  },
  decompress: async (bytes) => {
    if (!bytes.subarray(0, 8).equals(XERIAL.subarray(0, 8))) return Buffer.from(snappy.uncompress(bytes))
    const blocks = []
    for (let at = XERIAL.length; at < bytes.length; ) {
      const end = at + 4 + bytes.readInt32BE(at)
      blocks.push(Buffer.from(snappy.uncompress(bytes.subarray(at + 4, end))))
      at = end
    }
    return Buffer.concat(blocks)
  },
})

export class KafkaJs {
  name = 'kafkajs'
  codecs = ['None', 'GZIP', 'Snappy', 'LZ4']

  constructor(broker) {
    this.kafka = new Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING })
  }

  admin() {
    return this.kafka.admin()
  }

  // What only this library offers.
  async administer(admin, topic, groupId) {
    const { brokers, controller } = await admin.describeCluster()
    assert.deepEqual(brokers.map(({ nodeId }) => nodeId), [controller])
    const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }
    const configEntries = [{ name: 'retention.ms', value: '60000' }]
    await admin.alterConfigs({ resources: [{ ...resource, configEntries }] })
    const { resources: [told] } = await admin.describeConfigs({ resources: [{ ...resource, configNames: ['retention.ms'] }] })
    assert.deepEqual(told.configEntries.map(({ configValue }) => configValue), ['60000'])
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [topic] })
    assert.equal(partitions.length, 5)
    // It sends the offset -2 for the earliest one, and clients look for that themselves.
    await admin.resetOffsets({ groupId, topic, earliest: true })
    const [reset] = await admin.fetchOffsets({ groupId, topics: [topic] })
    assert.ok(reset.partitions.every(({ offset }) => Number(offset) < 0))
  }

  producer({ codec = 'None', acks = -1, ...settings }) {
    const producer = this.kafka.producer(settings)
    const options = { acks, compression: CompressionTypes[codec] }
    return Object.assign(producer, { post: (topic, messages) => producer.send({ topic, messages, ...options }) })
  }

  async begin(producer) {
    const transaction = await producer.transaction()
    return {
      post: (topic, messages) => transaction.send({ topic, messages }),
      offsets: (consumer, groupId, topics) => transaction.sendOffsets({ consumerGroupId: groupId, topics }),
      commit: () => transaction.commit(),
      abort: () => transaction.abort(),
    }
  }

  consumer(groupId, settings = {}) {
    const consumer = this.kafka.consumer({ groupId, ...QUICK, heartbeatInterval: 500, ...settings })
    const subscribe = consumer.subscribe
    const run = consumer.run
    let parts = 0
    consumer.on('consumer.crash', ({ payload: { error, restart } }) => {
      if (!restart) throw error
    })
    consumer.on('consumer.group_join', ({ payload }) => {
      parts = Object.values(payload.memberAssignment).flat().length
    })
    return Object.assign(consumer, {
      subscribe: (options) => subscribe({ ...options, fromBeginning: true }),
      run: (options) => run({ ...options, autoCommit: false }),
      share: () => parts,
    })
  }
}

export class Confluent {
  name = '@confluentinc/kafka-javascript'
  codecs = ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD']

  constructor(broker) {
    const logLevel = confluent.KafkaJS.logLevel.ERROR
    this.kafka = new confluent.KafkaJS.Kafka({ kafkaJS: { brokers: [broker], logLevel } })
  }

  admin() {
    return this.kafka.admin()
  }

  producer({ codec = 'None', acks = -1, ...settings }) {
    const producer = this.kafka.producer({ kafkaJS: { acks, compression: codec.toLowerCase(), ...settings } })
    return Object.assign(producer, { post: (topic, messages) => producer.send({ topic, messages }) })
  }

  async begin(producer) {
    const transaction = await producer.transaction()
    return {
      post: (topic, messages) => transaction.send({ topic, messages }),
      offsets: (consumer, _, topics) => transaction.sendOffsets({ consumer, topics }),
      commit: () => transaction.commit(),
      abort: () => transaction.abort(),
    }
  }

  consumer(groupId, settings = {}) {
    const kafkaJS = { groupId, fromBeginning: true, autoCommit: false, ...QUICK, ...settings }
    kafkaJS.partitionAssigners = [confluent.KafkaJS.PartitionAssigners.cooperativeSticky]
    const consumer = this.kafka.consumer({ kafkaJS, 'heartbeat.interval.ms': 500 })
    return Object.assign(consumer, { share: () => consumer.assignment().length })
  }
}
