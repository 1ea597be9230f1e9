// What users of Kafka write in Node, run against the broker whose address is the first argument, with each library.
import assert from 'node:assert/strict'
import { Confluent, KafkaJs } from './clients.mjs'

const PATIENCE = 60_000

async function until(what, holds) {
  for (const deadline = Date.now() + PATIENCE; !(await holds()); ) {
    assert.ok(Date.now() < deadline, `waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function withAdmin(client, work) {
  const admin = client.admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

const makeTopic = (client, topic, numPartitions) =>
  withAdmin(client, (admin) => admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }] }))

async function send(client, topic, messages, settings = {}) {
  const producer = client.producer(settings)
  await producer.connect()
  // One of the libraries changes the messages that it is given.
  const told = await producer.post(topic, messages.map((message) => ({ ...message })))
  assert.ok(told.every((one) => one.errorCode === 0), JSON.stringify(told))
  await producer.disconnect()
}

// Runs a consumer until `done` of what it has seen; `each` sees every message before.
async function consume(client, topic, group, done, { each, ...settings } = {}) {
  const consumer = client.consumer(group, settings)
  const seen = []
  let failed
  await consumer.connect()
  await consumer.subscribe({ topics: [topic] })
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      if (done(seen)) return
      seen.push({ partition, ...message })
      await each?.(consumer, partition, message).catch((error) => (failed = error))
    },
  })
  await until(`messages of ${topic}`, () => failed || done(seen))
  await consumer.disconnect()
  if (failed) throw failed
  return seen
}

const commit = (topic) => (consumer, partition, { offset }) =>
  consumer.commitOffsets([{ topic, partition, offset: String(Number(offset) + 1) }])

const numbered = (count, front = '') =>
  Array.from({ length: count }, (_, number) => ({ key: `key-${number}`, value: `${front}${number}` }))

const values = (messages) => messages.map(({ value }) => value.toString()).sort()

async function recordsComeBackAsTheyWereSent(client, run) {
  // Not long ago: what is older than the retention would go.
  const started = Date.now() - 3_600_000
  for (const codec of client.codecs) {
    for (const acks of codec === 'None' ? [1, -1] : [-1]) {
      const topic = `${run}-${codec}-${acks}`
      await makeTopic(client, topic, 3)
      const sent = numbered(300, 'a value that repeats, a value that repeats ').map((message, number) => ({
        ...message,
        timestamp: String(started + number),
        headers: { number: String(number), raw: Buffer.from([0, 0xff, 0x80]), twice: ['one', 'two'] },
      }))
      await send(client, topic, sent, { codec, acks, idempotent: acks === -1 })
      const found = await consume(client, topic, `${topic}-group`, (seen) => seen.length === sent.length)
      assert.deepEqual(values(found), values(sent))
      const last = new Map()
      for (const { partition, offset, key, value, headers, timestamp } of found) {
        const number = Number(headers.number)
        assert.equal(key.toString(), sent[number].key)
        assert.equal(value.toString(), sent[number].value)
        assert.equal(timestamp, sent[number].timestamp)
        assert.deepEqual(Buffer.from(headers.raw), Buffer.from([0, 0xff, 0x80]))
        assert.deepEqual(headers.twice.map(String), ['one', 'two'])
        assert.equal(Number(offset), (last.get(partition) ?? -1) + 1)
        last.set(partition, Number(offset))
      }
    }
  }
}

async function aGroupGoesOnWhereItCommitted(client, run) {
  const [topic, group] = [`${run}-resumed`, `${run}-resumed`]
  await makeTopic(client, topic, 3)
  await send(client, topic, numbered(100))
  const each = commit(topic)
  const first = await consume(client, topic, group, (seen) => seen.length === 60, { each })
  const second = await consume(client, topic, group, (seen) => seen.length === 40, { each })
  assert.deepEqual(values([...first, ...second]), values(numbered(100)))
}

async function membersShareAndHandOver(client, run) {
  const topic = `${run}-shared`
  await makeTopic(client, topic, 4)
  const join = async () => {
    const consumer = client.consumer(`${run}-shared`)
    await consumer.connect()
    await consumer.subscribe({ topics: [topic] })
    await consumer.run({ eachMessage: async () => {} })
    return consumer
  }
  const one = await join()
  await until('one member has everything', () => one.share() === 4)
  const two = await join()
  await until('two members share', () => one.share() === 2 && two.share() === 2)
  await one.disconnect()
  await until('the one who stays has everything', () => two.share() === 4)
  await two.disconnect()
}

async function pausesAndSeeks(client, run) {
  const topic = `${run}-paused`
  await makeTopic(client, topic, 2)
  const producer = client.producer({})
  await producer.connect()
  const consumer = client.consumer(`${run}-paused`)
  const seen = []
  const has = (partition, offset) => seen.some((one) => one.partition === partition && one.offset === offset)
  await consumer.connect()
  await consumer.subscribe({ topics: [topic] })
  await consumer.run({ eachMessage: async ({ partition, message }) => seen.push({ partition, ...message }) })
  await producer.post(topic, [{ partition: 0, value: 'a' }, { partition: 1, value: 'b' }])
  await until('both partitions are read', () => has(0, '0') && has(1, '0'))
  consumer.pause([{ topic, partitions: [0] }])
  await producer.post(topic, [{ partition: 0, value: 'later' }])
  await producer.post(topic, [{ partition: 1, value: 'now' }])
  await until('the other partition is read on', () => has(1, '1'))
  assert.ok(!has(0, '1'), 'a paused partition was read')
  consumer.resume([{ topic, partitions: [0] }])
  await until('the partition is read on', () => has(0, '1'))
  seen.length = 0
  consumer.seek({ topic, partition: 0, offset: '0' })
  await until('what was sought is read again', () => has(0, '0') && has(0, '1'))
  await consumer.disconnect()
  await producer.disconnect()
}

async function transactionsAreSeenWholeOrNotAtAll(client, run) {
  const [topic, out, group] = [`${run}-in`, `${run}-out`, `${run}-transacted`]
  await makeTopic(client, topic, 1)
  await makeTopic(client, out, 1)
  await send(client, topic, numbered(20))
  const producer = client.producer({ transactionalId: run, maxInFlightRequests: 1, idempotent: true })
  await producer.connect()
  const aborted = await client.begin(producer)
  await aborted.post(out, numbered(10, 'never-'))
  await aborted.abort()
  const each = async (consumer, partition, { offset }) => {
    const transaction = await client.begin(producer)
    await transaction.post(out, [{ value: `out-${offset}` }])
    const topics = [{ topic, partitions: [{ partition, offset: String(Number(offset) + 1) }] }]
    await transaction.offsets(consumer, group, topics)
    await (Number(offset) % 5 === 3 ? transaction.abort() : transaction.commit())
  }
  await consume(client, topic, group, (seen) => seen.length === 20, { each })
  await producer.disconnect()
  const committed = await consume(client, out, `${run}-reader`, (seen) => seen.length === 16)
  const expected = numbered(20, 'out-').filter((_, number) => number % 5 !== 3)
  assert.deepEqual(values(committed), values(expected))
  const everything = { readUncommitted: true }
  await consume(client, out, `${run}-all`, (seen) => seen.length === 30, everything)
  const [told] = await withAdmin(client, (admin) => admin.fetchOffsets({ groupId: group, topics: [topic] }))
  assert.equal(told.partitions[0].offset, '20')
}

async function topicsAndGroupsAreAdministered(client, run) {
  const [topic, group] = [`${run}-administered`, `${run}-administered`]
  await makeTopic(client, topic, 2)
  await withAdmin(client, async (admin) => {
    assert.ok((await admin.listTopics()).includes(topic))
    const sent = [0, 1].flatMap((partition) => numbered(10).map((message) => ({ partition, ...message })))
    await send(client, topic, sent)
    const told = await admin.fetchTopicOffsets(topic)
    assert.deepEqual(told.map(({ low, high }) => `${low}-${high}`), ['0-10', '0-10'])
    await consume(client, topic, group, (seen) => seen.length === 20, { each: commit(topic) })
    const { groups: listed } = await admin.listGroups()
    assert.ok(listed.some(({ groupId }) => groupId === group))
    const { groups: [described] } = await admin.describeGroups([group])
    assert.equal(described.groupId, group)
    assert.equal(described.members.length, 0)
    const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    assert.deepEqual(committed.partitions.map(({ offset }) => offset), ['10', '10'])
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] })
    const [left] = (await admin.fetchTopicOffsets(topic)).filter(({ partition }) => partition === 0)
    assert.equal(left.low, '4')
    await admin.deleteGroups([group])
    assert.ok(!(await admin.listGroups()).groups.some(({ groupId }) => groupId === group))
    await client.administer?.(admin, topic, group)
    await admin.deleteTopics({ topics: [topic] })
    assert.ok(!(await admin.listTopics()).includes(topic))
  })
}

const [, , broker] = process.argv
for (const client of [new KafkaJs(broker), new Confluent(broker)]) {
  const run = `${client.name.replace(/\W/g, '')}-${process.pid}`
  const programs = [
    recordsComeBackAsTheyWereSent, aGroupGoesOnWhereItCommitted, membersShareAndHandOver, pausesAndSeeks,
    transactionsAreSeenWholeOrNotAtAll, topicsAndGroupsAreAdministered,
  ]
  for (const program of programs) {
    const started = Date.now()
    await program(client, `${run}-${program.name.slice(0, 8)}`)
    if (process.env.TIMES) console.log(program.name, Date.now() - started, 'ms')
  }
  console.log(`${client.name} did everything`)
}
