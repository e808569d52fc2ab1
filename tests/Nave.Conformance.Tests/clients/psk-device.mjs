// A device on Node's own TLS with a pre-shared key and the mqtt package, through the PSK gateway; on the other side the
// vendors' SDKs: @azure/event-hubs reads, azure-iothub sends commands, patches twins and calls methods.
//   NAVE_IOT       HostName=...;SharedAccessKeyName=...;SharedAccessKey=...
//   NAVE_EVENTS    Endpoint=sb://...
//   NAVE_PSK_HOST  where the gateway listens; NAVE_PSK_KEY the key of the identity psk-dev, in hex
// Prints one JSON line per checked step.
import tls from 'node:tls';
import { check, events, finish, iot, require, sleep } from './harness.mjs';

const mqtt = require('mqtt');
const { EventHubConsumerClient } = require('@azure/event-hubs');
const { Client: Service, Registry } = require('azure-iothub');
const { Message } = require('azure-iot-common');

const id = 'psk-dev';
const messages = [];
const client = new mqtt.MqttClient(() => tls.connect({
  host: process.env.NAVE_PSK_HOST, port: 8884, ciphers: 'ECDHE-PSK-CHACHA20-POLY1305', maxVersion: 'TLSv1.2', rejectUnauthorized: false,
  checkServerIdentity: () => undefined, pskCallback: () => ({ identity: id, psk: Buffer.from(process.env.NAVE_PSK_KEY, 'hex') }),
}), { clientId: id, protocolVersion: 4, clean: true, reconnectPeriod: 0 });
client.on('message', (topic, payload) => messages.push({ topic, body: payload.toString() }));
await new Promise((resolve, reject) => { client.once('connect', resolve); client.once('error', reject); });

async function message(prefix) {
  for (let i = 0; i < 200; i++) {
    const at = messages.findIndex((m) => m.topic.startsWith(prefix));
    if (at >= 0) return messages.splice(at, 1)[0];
    await sleep(50);
  }
  throw new Error(`nothing came to ${prefix}; there is ${JSON.stringify(messages)}`);
}

// 1. Telemetry arrives with the right device id and its properties.
await check(1, async () => {
  await client.publishAsync(`devices/${id}/messages/events/level=high&%24.ct=text%2Fplain`, 'through the gateway', { qos: 1 });
  const consumer = new EventHubConsumerClient('$Default', events);
  const found = await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('no event came')), 20000).unref();
    consumer.subscribe({
      processEvents: async (batch) => { for (const event of batch) resolve(event); },
      processError: async (error) => reject(error),
    }, { startPosition: { offset: '-1' } });
  });
  await consumer.close();
  const device = found.systemProperties['iothub-connection-device-id'];
  if (device !== id) return `the event is of ${device}`;
  if (String(found.body) !== 'through the gateway') return `the body is ${found.body}`;
  if (found.properties.level !== 'high' || found.contentType !== 'text/plain') return JSON.stringify({ properties: found.properties, contentType: found.contentType });
});

// 2. A command with its properties; acknowledged, it leaves the queue.
await check(2, async () => {
  await client.subscribeAsync(`devices/${id}/messages/devicebound/#`, { qos: 1 });
  const service = Service.fromConnectionString(iot);
  await service.open();
  const command = new Message('go');
  command.messageId = 'm-1';
  command.properties.add('speed', '7');
  await service.send(id, command);
  await service.close();
  const got = await message(`devices/${id}/messages/devicebound/`);
  if (got.body !== 'go' || !got.topic.includes('%24.mid=m-1') || !got.topic.includes('speed=7')) return JSON.stringify(got);
});

// 3. Twins both ways.
await check(3, async () => {
  const registry = Registry.fromConnectionString(iot);
  await client.subscribeAsync('$iothub/twin/res/#');
  await client.subscribeAsync('$iothub/twin/PATCH/properties/desired/#');
  const { responseBody: twin } = await registry.getTwin(id);
  await registry.updateTwin(id, { properties: { desired: { interval: 5 } } }, twin.etag);
  const desired = await message('$iothub/twin/PATCH/properties/desired/');
  if (JSON.parse(desired.body).interval !== 5 || !/\$version=2$/.test(desired.topic)) return JSON.stringify(desired);
  await client.publishAsync('$iothub/twin/PATCH/properties/reported/?$rid=p1', JSON.stringify({ firmware: 'x' }));
  const patched = await message('$iothub/twin/res/');
  if (!/^\$iothub\/twin\/res\/204\/\?\$rid=p1&\$version=2$/.test(patched.topic)) return JSON.stringify(patched);
  await client.publishAsync('$iothub/twin/GET/?$rid=g1', '');
  const got = await message('$iothub/twin/res/');
  const body = JSON.parse(got.body);
  if (got.topic !== '$iothub/twin/res/200/?$rid=g1' || body.desired.interval !== 5 || body.reported.firmware !== 'x') return JSON.stringify(got);
  const { responseBody: after } = await registry.getTwin(id);
  if (after.properties.reported.firmware !== 'x') return JSON.stringify(after.properties);
});

// 4. A method with its answer.
await check(4, async () => {
  await client.subscribeAsync('$iothub/methods/POST/#');
  const service = Service.fromConnectionString(iot);
  const invoked = service.invokeDeviceMethod(id, { methodName: 'reboot', payload: { delay: 3 }, responseTimeoutInSeconds: 20 });
  const call = await message('$iothub/methods/POST/reboot/');
  if (JSON.parse(call.body).delay !== 3) return JSON.stringify(call);
  const rid = /\$rid=(.*)$/.exec(call.topic)[1];
  await client.publishAsync(`$iothub/methods/res/207/?$rid=${rid}`, JSON.stringify({ done: true }));
  const { result } = await invoked;
  if (result.status !== 207 || result.payload.done !== true) return JSON.stringify(result);
});

await client.endAsync();
await finish();
