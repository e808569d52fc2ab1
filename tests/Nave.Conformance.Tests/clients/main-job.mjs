// The main job: azure-iot-device over Mqtt and MqttWs sends a thousand messages, @azure/event-hubs reads every one of
// them with every property, from the start, from a sequence number, from an offset and from a time.
//   NAVE_DEVICES  connection strings of four devices, one a line
import fs from 'node:fs';
import { events, finish, require, report } from './harness.mjs';

const { Client, Message } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { EventHubConsumerClient } = require('@azure/event-hubs');

const perDevice = 250;
const devices = process.env.NAVE_DEVICES.trim().split('\n');
const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');
const propertiesOf = (i) => ({ 'grüße': `wert ${i} ✓`, 'reserved': 'a/b?c&d=e#f%g+h i', 'k&=/': 'x', 'empty': '', 'number': `${i}` });

const started = Date.now();
await Promise.all(devices.map(async (connectionString, d) => {
  const client = Client.fromConnectionString(connectionString, d % 2 === 0 ? Mqtt : MqttWs);
  await client.setOptions({ ca });
  await client.open();
  const sends = [];
  for (let i = 0; i < perDevice; i++) {
    const message = new Message(JSON.stringify({ n: i, text: 'ünï' }));
    message.messageId = `id-${d}-${i}`;
    message.correlationId = `cor/${i}`;
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    for (const [name, value] of Object.entries(propertiesOf(i))) message.properties.add(name, value);
    sends.push(client.sendEvent(message));
  }
  await Promise.all(sends);
  await client.close();
}));

const consumer = new EventHubConsumerClient('$Default', events);
const { partitionIds } = await consumer.getEventHubProperties();

/** Reads what lies behind a position until a partition's last event as it is now, or until nothing came for a while. */
async function read(positionOf) {
  const ends = Object.fromEntries(await Promise.all(partitionIds.map(async (id) => {
    const partition = await consumer.getPartitionProperties(id);
    return [id, partition.isEmpty ? -1 : partition.lastEnqueuedSequenceNumber];
  })));
  const seen = Object.fromEntries(partitionIds.map((id) => [id, []]));
  await Promise.all(partitionIds.filter((id) => ends[id] >= 0).map((id) => new Promise((resolve, reject) => {
    const position = positionOf(id);
    if (position === undefined) return resolve();
    const timer = setTimeout(() => reject(new Error(`partition ${id} stopped at ${seen[id].at(-1)?.sequenceNumber} of ${ends[id]}`)), 30000);
    const subscription = consumer.subscribe(id, {
      processEvents: async (batch) => {
        seen[id].push(...batch);
        if (seen[id].at(-1)?.sequenceNumber >= ends[id]) { clearTimeout(timer); await subscription.close(); resolve(); }
      },
      processError: async (error) => { clearTimeout(timer); reject(error); },
    }, { startPosition: position, maxWaitTimeInSeconds: 1 });
  })));
  return seen;
}

function verify(seen) {
  const next = {};
  for (const event of Object.values(seen).flat()) {
    const device = event.systemProperties['iothub-connection-device-id'];
    const d = devices.findIndex((text) => text.includes(`DeviceId=${device};`));
    const i = next[device] ?? 0;
    next[device] = i + 1;
    const expect = (what, actual, wanted) => {
      if (JSON.stringify(actual) !== JSON.stringify(wanted)) throw new Error(`${device} ${i} ${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(wanted)}`);
    };
    expect('body', event.body, { n: i, text: 'ünï' });
    expect('messageId', event.messageId, `id-${d}-${i}`);
    expect('correlationId', event.correlationId, `cor/${i}`);
    expect('contentType', event.contentType, 'application/json');
    expect('contentEncoding', event.systemProperties.contentEncoding ?? event.getRawAmqpMessage().properties.contentEncoding, 'utf-8');
    expect('properties', Object.fromEntries(Object.entries(event.properties).sort()), Object.fromEntries(Object.entries(propertiesOf(i)).sort()));
    expect('source', event.systemProperties['iothub-message-source'], 'Telemetry');
    const auth = JSON.parse(event.systemProperties['iothub-connection-auth-method']);
    expect('auth method', [auth.scope, auth.type, auth.issuer], ['device', 'sas', 'iothub']);
    if (!/^\d+$/.test(event.systemProperties['iothub-connection-auth-generation-id'])) throw new Error('generation id');
    if (!(event.enqueuedTimeUtc.getTime() >= started - 2000) || !(event.systemProperties['iothub-enqueuedtime'] >= started - 2000)) throw new Error(`enqueued time ${event.enqueuedTimeUtc}`);
    if (!/^\d+$/.test(String(event.offset)) || String(event.offset) !== String(event.sequenceNumber)) throw new Error(`offset ${event.offset}`);
  }
  for (const device of devices.map((text) => /DeviceId=([^;]*)/.exec(text)[1])) {
    if (next[device] !== perDevice) throw new Error(`${device}: ${next[device]} of ${perDevice} read`);
  }
}

async function row(number, body) {
  try { await body(); report(number, true); } catch (error) { report(number, false, error?.stack ?? error); }
}

let all;
await row(1, async () => { all = await read(() => ({ offset: '-1' })); verify(all); });
const middle = (id) => all[id][Math.floor(all[id].length / 2)];
const behindMiddle = (seen, id, inclusive) => {
  const from = middle(id).sequenceNumber + (inclusive ? 0 : 1);
  const wanted = all[id].filter((event) => event.sequenceNumber >= from).map((event) => event.sequenceNumber);
  const got = seen[id].map((event) => event.sequenceNumber);
  if (JSON.stringify(got) !== JSON.stringify(wanted)) throw new Error(`partition ${id}: ${got[0]}..${got.at(-1)} instead of ${wanted[0]}..${wanted.at(-1)}`);
};
const filled = () => partitionIds.filter((id) => all[id].length > 3);
const check = (number, position, inclusive) => row(number, async () => {
  const seen = await read((id) => (filled().includes(id) ? position(middle(id)) : undefined));
  filled().forEach((id) => behindMiddle(seen, id, inclusive));
});
await check(2, (event) => ({ sequenceNumber: event.sequenceNumber, isInclusive: true }), true);
await check(3, (event) => ({ offset: String(event.offset), isInclusive: false }), false);
await row(4, async () => {
  const seen = await read((id) => (filled().includes(id) ? { enqueuedOn: middle(id).enqueuedTimeUtc } : undefined));
  for (const id of filled()) {
    const wanted = all[id].filter((event) => event.enqueuedTimeUtc > middle(id).enqueuedTimeUtc).length;
    if (seen[id].length !== wanted) throw new Error(`partition ${id}: ${seen[id].length} instead of ${wanted} behind the time`);
  }
});
await consumer.close();
await finish();
