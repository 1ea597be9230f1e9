// amqplib: what its users do. Prints what they see, one named line each. usage: check.mjs PORT
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
    if (got.length === 500) {
      const { exchange, routingKey, redelivered, deliveryTag } = message.fields;
      const { headers, deliveryMode } = message.properties;
      console.log(`amqplib last: ${JSON.stringify({ exchange, routingKey, redelivered, deliveryTag, headers, deliveryMode })}`);
      resolve();
    }
  }, { consumerTag: "reader" });
});
await channel.cancel("reader");
const show = (name, value) => console.log(`amqplib ${name}: ${JSON.stringify(value)}`);
show("delivered", got.map(([body, n]) => body + "/" + n).join(" "));
got.forEach(([body, n], at) => assert.deepEqual([body, n], [String(at), at]));

const returned = new Promise((resolve) => channel.once("return", resolve));
channel.publish("", "nowhere", Buffer.from("x"), { mandatory: true });
const { fields } = await returned;
show("returned", fields);
assert.equal(fields.replyCode, 312);

const doomed = await connection.createChannel();
const closed = new Promise((resolve) => doomed.once("error", resolve));
await assert.rejects(doomed.checkQueue("nothing"));
show("not found", (await closed).message);
show("tuned", [connection.connection.channelMax, connection.connection.frameMax, connection.connection.heartbeat]);

const big = Buffer.alloc(900_000, 7);
channel.sendToQueue(queue, big);
await channel.waitForConfirms();
show("left", await channel.deleteQueue(queue));
await connection.close();
