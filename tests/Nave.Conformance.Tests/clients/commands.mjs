// Commands both ways through the vendors' SDKs: azure-iothub sends and reads feedback, azure-iot-device receives over each
// of its five transports.
//   NAVE_DEVICES  connection strings of seven devices, one a line: one for each transport, one for queue and purge, one
//                 whose commands are given up
//   NAVE_MAX_DELIVERY_COUNT  how many returns the hub allows
import fs from 'node:fs';
import { require, iot, sleep } from './harness.mjs';

const { Client: Service } = require('azure-iothub');
const { Message } = require('azure-iot-common');
const { Client } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { Http } = require('azure-iot-device-http');

const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');
const devices = process.env.NAVE_DEVICES.trim().split('\n');
const idOf = (text) => /DeviceId=([^;]*)/.exec(text)[1];
let failed = 0;
const report = (spec, row, ok, why = '') => {
  failed += ok ? 0 : 1;
  console.log(JSON.stringify({ spec, row, ok, why: ok ? '' : String(why) }));
};
async function row(spec, rows, body) {
  let why;
  try { why = await body(); } catch (error) { why = error?.stack ?? error; }
  for (const number of [].concat(rows)) report(spec, number, why === undefined, why);
}

const service = Service.fromConnectionString(iot);
await service.open();
const feedback = new Map();
const receiver = await new Promise((resolve, reject) => { service.getFeedbackReceiver((error, r) => (error ? reject(error) : resolve(r))); });
receiver.on('message', (batch) => {
  for (const record of JSON.parse(batch.getData().toString())) feedback.set(record.originalMessageId, record);
  receiver.complete(batch, () => {});
});
// Feedback comes in batches, fifteen seconds apart: asked for as things happen, waited for once, at the end.
const expected = new Map();
const expectFeedback = (id, status) => { expected.set(id, status); };
async function feedbackArrives() {
  for (let i = 0; i < 600 && [...expected.keys()].some((id) => !feedback.has(id)); i++) await sleep(100);
  for (const [id, status] of expected) {
    if (feedback.get(id)?.statusCode !== status) throw new Error(`feedback of ${id}: ${JSON.stringify(feedback.get(id))} instead of ${status}`);
  }
}
function command(id, body, properties = {}) {
  const message = new Message(body);
  message.messageId = id;
  message.ack = 'full';
  for (const [name, value] of Object.entries(properties)) message.properties.add(name, value);
  return message;
}
async function next(messages, id) {
  for (let i = 0; i < 200; i++) {
    const at = messages.findIndex((m) => m.messageId === id);
    if (at >= 0) return messages.splice(at, 1)[0];
    await sleep(100);
  }
  throw new Error(`${id} did not arrive`);
}

const transports = [['Mqtt', Mqtt, false], ['MqttWs', MqttWs, false], ['Amqp', Amqp, true], ['AmqpWs', AmqpWs, true], ['Http', Http, true]];
for (const [t, [name, transport, settles]] of transports.entries()) {
  const device = devices[t];
  await row(`transport ${name}`, 1, async () => {
    // Queued while the device is away.
    await service.send(idOf(device), command(`${name}-c`, 'während', { p1: 'v', empty: '' }));
    const client = Client.fromConnectionString(device, transport);
    if (name !== 'Http') await client.setOptions({ ca });
    await client.open();
    const messages = [];
    client.on('message', (message) => { messages.push(message); });
    client.on('error', () => {});
    const first = await next(messages, `${name}-c`);
    if (first.getData().toString() !== 'während') throw new Error(`body ${first.getData()}`);
    const properties = Object.fromEntries(first.properties.propertyList.map((p) => [p.key.replace(/^iothub-app-/, ''), p.value]));
    if (properties.p1 !== 'v') throw new Error(`properties ${JSON.stringify(properties)}`);
    await client.complete(first);
    expectFeedback(`${name}-c`, 'Success');
    if (settles) {
      await service.send(idOf(device), command(`${name}-a`, 'again'));
      await client.abandon(await next(messages, `${name}-a`));
      await client.complete(await next(messages, `${name}-a`));
      expectFeedback(`${name}-a`, 'Success');
      await service.send(idOf(device), command(`${name}-r`, 'no'));
      await client.reject(await next(messages, `${name}-r`));
      expectFeedback(`${name}-r`, 'Rejected');
    }
    await client.sendEvent(new (require('azure-iot-device').Message)(`from ${name}`));
    await client.close();
  });
}

const queued = idOf(devices[5]);
await row('messaging-semantics', 1, async () => {
  for (let i = 0; i < 50; i++) await service.send(queued, command(`q-${i}`, 'x'));
  const error = await service.send(queued, command('q-50', 'x')).then(() => undefined, (e) => e);
  if (error?.name !== 'DeviceMaximumQueueDepthExceededError') throw new Error(`the 51st: ${error?.name} ${error?.message}`);
});
await row('service-amqp', 12, async () => {
  const error = await service.send('no-such-device', command('n', 'x')).then(() => undefined, (e) => e);
  if (error?.name !== 'DeviceNotFoundError') throw new Error(`unknown device: ${error?.name} ${error?.message}`);
});
await row('messaging-semantics', 8, async () => {
  const { SharedAccessSignature, anHourFromNow } = require('azure-iot-common');
  const field = (name) => new RegExp(`${name}=([^;]*)`).exec(iot)[1];
  const token = SharedAccessSignature.create(field('HostName'), field('SharedAccessKeyName'), /SharedAccessKey=([^;]*)/.exec(iot)[1], anHourFromNow()).toString();
  const answer = await fetch(`https://${field('HostName')}/devices/${queued}/commands?api-version=2021-04-12`, { method: 'DELETE', headers: { Authorization: token } });
  const purged = await answer.json();
  if (purged.totalMessagesPurged !== 50) throw new Error(JSON.stringify(purged));
  expectFeedback('q-0', 'Purged');
  expectFeedback('q-49', 'Purged');
});
await row('messaging-semantics', 5, async () => {
  const expiring = command('expires', 'x');
  expiring.expiryTimeUtc = Date.now() + 2000;
  await service.send(idOf(devices[0]), expiring);
  expectFeedback('expires', 'Expired');
});
await row('messaging-semantics', 3, async () => {
  // As many returns as the hub allows, by the two transports that can abandon.
  for (const [name, transport] of [['Amqp', Amqp], ['Http', Http]]) {
    const id = `${name}-given-up`;
    await service.send(idOf(devices[6]), command(id, 'x'));
    const client = Client.fromConnectionString(devices[6], transport);
    if (name !== 'Http') await client.setOptions({ ca });
    await client.open();
    const messages = [];
    client.on('message', (message) => { messages.push(message); });
    client.on('error', () => {});
    for (let i = 0; i < Number(process.env.NAVE_MAX_DELIVERY_COUNT); i++) await client.abandon(await next(messages, id));
    // The next one comes, and the one given up does not come before it.
    await service.send(idOf(devices[6]), command(`${id}-next`, 'x'));
    await client.complete(await next(messages, `${id}-next`));
    if (messages.length > 0) throw new Error(`${messages[0].messageId} came again`);
    await client.close();
    expectFeedback(id, 'DeliveryCountExceeded');
    expectFeedback(`${id}-next`, 'Success');
  }
});
await row('device-http', 15, async () => {
  // What of the table the SDK can be shown by a hub that works.
  const stranger = Client.fromConnectionString(devices[4].replace(/SharedAccessKey=[^;]*/, `SharedAccessKey=${Buffer.alloc(32).toString('base64')}`), Http);
  const { Message: Event } = require('azure-iot-device');
  const nameOf = (client, body) => client.sendEvent(new Event(body)).then(() => 'none', (error) => error.name);
  const unauthorized = await nameOf(stranger, 'x');
  if (unauthorized !== 'UnauthorizedError') throw new Error(`401: ${unauthorized}`);
  const { SharedAccessSignature, anHourFromNow } = require('azure-iot-common');
  const field = (name) => new RegExp(`${name}=([^;]*)`).exec(iot)[1];
  const asNobody = SharedAccessSignature.create(
    `${field('HostName')}/devices/nobody`, field('SharedAccessKeyName'), /SharedAccessKey=([^;]*)/.exec(iot)[1], anHourFromNow()).toString();
  const unknown = await nameOf(Client.fromSharedAccessSignature(asNobody, Http), 'x');
  if (unknown !== 'DeviceNotFoundError') throw new Error(`404: ${unknown}`);
  const tooMany = await Client.fromConnectionString(devices[4], Http).sendEventBatch(Array.from({ length: 501 }, () => new Event('x')))
    .then(() => 'none', (error) => error.name);
  if (tooMany !== 'ArgumentError') throw new Error(`400: ${tooMany}`);
  const tooLarge = await nameOf(Client.fromConnectionString(devices[4], Http), Buffer.alloc(300000));
  if (tooLarge !== 'MessageTooLargeError') throw new Error(`413: ${tooLarge}`);
});
await row('service-amqp', 15, feedbackArrives);
await service.close();
process.exit(failed === 0 ? 0 : 1);
