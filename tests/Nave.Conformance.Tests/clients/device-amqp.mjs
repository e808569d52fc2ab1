// spec/device-amqp.md and spec/service-amqp.md from outside: the Node device SDK over AMQP and AMQP over WebSocket, and the
// Node service SDK, against a running hub.
//   device-amqp.mjs [connection.json]     or NAVE_CONNECTION; needs NODE_EXTRA_CA_CERTS
// Makes its own devices with the iothubowner policy. Prints one JSON line per checked row.
import fs from 'node:fs';
import { randomBytes, randomUUID } from 'node:crypto';
import { require } from './harness.mjs';

const hub = JSON.parse(fs.readFileSync(process.argv[2] ?? process.env.NAVE_CONNECTION, 'utf8'));
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { Client: DeviceClient, Message } = require('azure-iot-device');
const { Client: ServiceClient, Registry } = require('azure-iothub');
const { Message: Command } = require('azure-iot-common');
const { EventHubConsumerClient } = require('@azure/event-hubs');

const run = randomBytes(3).toString('hex');
const registry = Registry.fromConnectionString(hub.policies.iothubowner);
let failed = 0;

/** Runs a check of rows; what it throws is why they failed. */
async function check(spec, rows, body, milliseconds = 60000) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`no outcome within ${milliseconds} ms`)), milliseconds); });
  let why = '';
  try {
    await Promise.race([body(), late]);
  } catch (error) {
    why = error?.stack ?? String(error);
  } finally {
    clearTimeout(timer);
  }
  failed += why === '' ? 0 : 1;
  for (const row of rows) console.log(JSON.stringify({ spec, row, ok: why === '', why }));
}

function expect(actual, wanted, what) {
  if (JSON.stringify(actual) !== JSON.stringify(wanted)) throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(wanted)}`);
}

async function createDevice(name) {
  const { responseBody } = await registry.create({ deviceId: `${name}-${run}`, status: 'enabled' });
  const key = responseBody.authentication.symmetricKey.primaryKey;
  return { deviceId: responseBody.deviceId, text: `HostName=${hub.hostName};DeviceId=${responseBody.deviceId};SharedAccessKey=${key}` };
}

async function refusal(attempt) {
  try {
    await attempt();
  } catch (error) {
    // Wrapped where npm gave each package a copy of azure-iot-common of its own.
    return [error, error.amqpError].find((one) => one && one.constructor.name !== 'Error')?.constructor.name ?? error.name;
  }
  throw new Error('it was not refused');
}

/** Things that come one by one and are waited for one by one. */
class Inbox {
  #items = [];
  #waiting = [];

  push(item) {
    const next = this.#waiting.shift();
    if (next) next(item); else this.#items.push(item);
  }

  next() {
    return this.#items.length > 0 ? Promise.resolve(this.#items.shift()) : new Promise((resolve) => { this.#waiting.push(resolve); });
  }
}

// ---- the back end ---------------------------------------------------------------------------------------------------

const service = ServiceClient.fromConnectionString(hub.policies.service);
const records = [];
const recordWaiters = [];

function takeRecords(batch) {
  records.push(...batch);
  for (const waiter of recordWaiters) waiter();
}

/** The feedback about a command, whenever it comes. */
function feedbackOf(messageId) {
  return new Promise((resolve) => {
    const look = () => {
      const found = records.find((record) => record.originalMessageId === messageId);
      if (found) resolve(found.statusCode);
    };
    recordWaiters.push(look);
    look();
  });
}

async function sendCommand(device, text, change = () => {}) {
  const command = new Command(text);
  command.ack = 'full';
  command.messageId = `${text}-${randomBytes(4).toString('hex')}`;
  change(command);
  await service.send(device.deviceId, command);
  return command.messageId;
}

await service.open();
const feedback = await new Promise((resolve, reject) => { service.getFeedbackReceiver((error, receiver) => { if (error) reject(error); else resolve(receiver); }); });
let batches = 0;
feedback.on('message', (batch) => {
  batches++;
  takeRecords(JSON.parse(batch.data));
  feedback.complete(batch, () => {}); // Besides rhea's own accept: two settlements of one delivery.
});

const events = new Inbox();
const consumer = new EventHubConsumerClient('$Default', hub.events);
const reading = consumer.subscribe({
  processEvents: async (some) => { for (const event of some) events.push(event); },
  processError: async (error) => { console.log(`events: ${error}`); },
}, { startPosition: { enqueuedOn: Date.now() - 1000 } });

// ---- the device, over both transports -------------------------------------------------------------------------------

async function withDevice(device, transport, body) {
  const client = DeviceClient.fromConnectionString(device.text, transport);
  await client.open();
  try {
    await body(client);
  } finally {
    await client.close();
  }
}

for (const [transport, row] of [[Amqp, 14], [AmqpWs, 28]]) {
  const device = await createDevice(transport === Amqp ? 'amqp' : 'amqpws');
  await check('device-amqp', transport === Amqp ? [1, 12] : [28], () => withDevice(device, transport, async (client) => {
    const id = randomUUID();
    const message = new Message(JSON.stringify({ from: device.deviceId }));
    message.messageId = id;
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.properties.add('level', 'ü');
    await client.sendEvent(message);
    let event;
    do event = await events.next(); while (event.systemProperties['iothub-connection-device-id'] !== device.deviceId);
    expect([event.body, event.messageId, event.properties.level], [{ from: device.deviceId }, id, 'ü'], 'the event');
    for (let i = 0; i < 50; i++) await client.sendEvent(new Message(`${i}`));
    await Promise.all(Array.from({ length: 50 }, (_, i) => client.sendEvent(new Message(`${i}`))));
  }));

  await check('device-amqp', [row], () => withDevice(device, transport, async (client) => {
    const commands = new Inbox();
    client.on('message', (command) => commands.push(command));
    const completed = await sendCommand(device, 'complete');
    let command = await commands.next();
    expect([command.data.toString(), command.messageId], ['complete', completed], 'the command');
    await client.complete(command);
    const rejected = await sendCommand(device, 'reject');
    await client.reject(await commands.next());
    const abandoned = await sendCommand(device, 'abandon');
    await client.abandon(await commands.next());
    command = await commands.next();
    expect(command.messageId, abandoned, 'the command that comes again');
    await client.complete(command);
    expect(await Promise.all([feedbackOf(completed), feedbackOf(rejected), feedbackOf(abandoned)]), ['Success', 'Rejected', 'Success'], 'feedback');
  }));
}

await check('device-amqp', [4], async () => {
  const wrong = `HostName=${hub.hostName};DeviceId=amqp-${run};SharedAccessKey=${Buffer.alloc(32, 7).toString('base64')}`;
  expect(await refusal(() => DeviceClient.fromConnectionString(wrong, Amqp).open()), 'UnauthorizedError', 'a wrong key');
});

await check('device-amqp', [16], async () => {
  const device = await createDevice('away');
  const messageId = await sendCommand(device, 'waits');
  const first = DeviceClient.fromConnectionString(device.text, Amqp);
  const before = new Inbox();
  await first.open();
  first.on('message', (command) => before.push(command));
  expect((await before.next()).messageId, messageId, 'before the link is lost');
  await first.close();
  await withDevice(device, Amqp, async (client) => {
    const after = new Inbox();
    client.on('message', (command) => after.push(command));
    const command = await after.next();
    expect(command.messageId, messageId, 'after the link was lost');
    await client.complete(command);
  });
});

await check('device-amqp', [24], async () => {
  const device = await createDevice('twice');
  const older = DeviceClient.fromConnectionString(device.text, Amqp);
  older.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 });
  await older.open();
  older.on('message', () => {});
  await older.sendEvent(new Message('older'));
  const gone = new Promise((resolve) => { older.on('disconnect', resolve); });
  await withDevice(device, Amqp, async (newer) => {
    newer.on('message', () => {});
    await newer.sendEvent(new Message('newer'));
    await gone;
  });
});

// ---- the back end's own rows ----------------------------------------------------------------------------------------

await check('service-amqp', [6], async () => {
  const wrong = hub.policies.service.replace(/SharedAccessKey=.*/, `SharedAccessKey=${Buffer.alloc(32, 7).toString('base64')}`);
  await refusal(() => ServiceClient.fromConnectionString(wrong).open());
});

await check('service-amqp', [9, 10, 18], async () => {
  const device = await createDevice('od#d');
  const id = randomUUID();
  await sendCommand(device, 'odd', (command) => { command.messageId = id; });
  await withDevice(device, Amqp, async (client) => {
    const commands = new Inbox();
    client.on('message', (command) => commands.push(command));
    const command = await commands.next();
    expect(command.messageId, id, 'the id at the device');
    await client.complete(command);
  });
  expect(await feedbackOf(id), 'Success', 'the id in feedback');
  if (batches === 0) throw new Error('no feedback came');
});

await check('service-amqp', [11], async () => {
  const device = await createDevice('full');
  const next = await createDevice('next');
  for (let i = 0; i < 50; i++) await service.send(device.deviceId, new Command(`${i}`));
  expect(await refusal(() => service.send(device.deviceId, new Command('51'))), 'DeviceMaximumQueueDepthExceededError', 'the 51st command');
  await service.send(next.deviceId, new Command('fits'));
});

await check('service-amqp', [12, 13], async () => {
  const device = await createDevice('large');
  expect(await refusal(() => service.send(`nobody-${run}`, new Command('x'))), 'DeviceNotFoundError', 'an unknown device');
  expect(await refusal(() => service.send(device.deviceId, new Command('x'.repeat(65537)))), 'MessageTooLargeError', 'a large command');
});

await reading.close();
await consumer.close();
await service.close();
process.exit(failed === 0 ? 0 : 1);
