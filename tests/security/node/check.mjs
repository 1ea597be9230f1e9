// amqplib, KafkaJS and a browser's WebSocket (Node's own, which cannot set a header either), with TLS and logins.
// Usage: check.mjs STEP ARGUMENT… ; it prints `works`, or `refused:` and what the client was told.
import { readFileSync } from "node:fs";
import amqp from "amqplib";
import { Kafka, logLevel } from "kafkajs";

const [step, ...rest] = process.argv.slice(2);

function files([ca, cert, key]) {
  const read = (path) => path && readFileSync(path);
  return { ca: [read(ca)], cert: read(cert), key: read(key) };
}

// Arguments: host:port, user and password or nothing for EXTERNAL, CA, certificate, key.
async function overAmqp(address, user, password, ...paths) {
  const credentials = user ? amqp.credentials.plain(user, password) : amqp.credentials.external();
  const [, port] = address.split(":");
  const connection = await amqp.connect(`amqps://localhost:${port}`, { ...files(paths), credentials });
  const channel = await connection.createConfirmChannel();
  for (let n = 0; n < 100; n++) channel.sendToQueue("jobs", Buffer.alloc(1000, n));
  await channel.waitForConfirms();
  for (let n = 0; n < 100; n++) channel.ack(await channel.get("jobs"));
  await connection.close();
}

// Arguments: host:port, mechanism, user, password, CA.
async function overKafka(address, mechanism, username, password, ca) {
  const [, port] = address.split(":");
  const kafka = new Kafka({
    brokers: [`localhost:${port}`], ssl: files([ca]), sasl: { mechanism, username, password },
    logLevel: logLevel.NOTHING, retry: { retries: 0 },
  });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "orders", messages: [{ value: "x" }] });
  await producer.disconnect();
}

// Arguments: URL with the ticket in it.
function overWebSocket(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, ["sluice.v1.json"]);
    socket.onopen = () => socket.send(JSON.stringify({ id: 1, type: "publish", topic: "jobs", messages: [{ value: 1 }] }));
    socket.onmessage = ({ data }) => {
      if (JSON.parse(data).type !== "ok") return reject(new Error(data));
      socket.close(1000);
    };
    socket.onerror = () => reject(new Error("the socket was not opened"));
    socket.onclose = ({ code }) => (code === 1000 || code === 1005 ? resolve() : reject(new Error(`closed ${code}`)));
  });
}

try {
  await { amqp: overAmqp, kafka: overKafka, websocket: overWebSocket }[step](...rest);
  console.log("works");
} catch (error) {
  console.log("refused:", error.message);
}
process.exit(0);
