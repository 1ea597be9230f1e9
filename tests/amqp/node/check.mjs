// amqplib: what its users do. usage: check.mjs PORT
import assert from "node:assert/strict";
import amqp from "amqplib";

const connection = await amqp.connect(`amqp://guest:guest@127.0.0.1:${process.argv[2]}`);
const channel = await connection.createConfirmChannel();
const { queue } = await channel.assertQueue("", { exclusive: true });
await channel.assertExchange("node", "topic", { durable: false, autoDelete: true });
await channel.bindQueue(queue, "node", "a.#");
for (let n = 0; n < 500; n++) {
  channel.publish("node", "a.b", Buffer.from(String(n)), { persistent: true, headers: { n, deep: { list: [1, "two"] } } });
}
await channel.waitForConfirms();
await channel.prefetch(50);
const got = [];
await new Promise((resolve) => {
  channel.consume(queue, (message) => {
    got.push([message.content.toString(), message.properties.headers.n]);
    channel.ack(message);
    if (got.length === 500) resolve();
  });
});
got.forEach(([body, n], at) => assert.deepEqual([body, n], [String(at), at]));

const returned = new Promise((resolve) => channel.once("return", resolve));
channel.publish("", "nowhere", Buffer.from("x"), { mandatory: true });
assert.equal((await returned).fields.replyCode, 312);

const doomed = await connection.createChannel();
const closed = new Promise((resolve) => doomed.once("error", resolve));
await assert.rejects(doomed.checkQueue("nothing"));
assert.match((await closed).message, /404.*no queue 'nothing'/);

const big = Buffer.alloc(900_000, 7);
channel.sendToQueue(queue, big);
await channel.waitForConfirms();
await connection.close();
console.log("amqplib: 500 confirmed and delivered in order, a return, a 404");
