// Fault injection (spec/sdk-gotchas.md 6) with the unmodified Node device SDK: each transport sees its connection drop after
// the delay and works again by itself; throttled telemetry arrives once; HTTP shows the fault in the reply.
//   NAVE_IOT      HostName=...;SharedAccessKeyName=...;SharedAccessKey=...
// Prints one JSON line per checked row.
import fs from 'node:fs';
import https from 'node:https';
import { check, finish, iot, require, sleep } from './harness.mjs';

const tls = require('tls');
const { Client, Message } = require('azure-iot-device');
const { Registry } = require('azure-iothub');
const registry = Registry.fromConnectionString(iot);
const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');
const hostName = /HostName=([^;]*)/.exec(iot)[1];
const protocols = {
  Mqtt: require('azure-iot-device-mqtt').Mqtt,
  MqttWs: require('azure-iot-device-mqtt').MqttWs,
  Amqp: require('azure-iot-device-amqp').Amqp,
  AmqpWs: require('azure-iot-device-amqp').AmqpWs,
};

// When the sockets that the SDK opened were closed. A handler of its own changes nothing for the SDK.
const closed = [];
const connect = tls.connect;
tls.connect = (...args) => connect(...args).on('close', () => closed.push(Date.now()));

async function device(name) {
  const { responseBody } = await registry.create({ deviceId: name, status: 'enabled' });
  return { key: responseBody.authentication.symmetricKey.primaryKey, text: `HostName=${hostName};DeviceId=${name};SharedAccessKey=${responseBody.authentication.symmetricKey.primaryKey}` };
}

async function open(name, transport) {
  const client = Client.fromConnectionString((await device(name)).text, protocols[transport]);
  await client.setOptions({ ca });
  await client.open();
  client.on('message', (message) => client.complete(message, () => {})); // What makes the SDK reconnect by itself.
  client.on('error', () => {});
  await sleep(300);
  return client;
}

function wish(type, id, delay, duration) {
  const message = new Message('wish');
  message.messageId = id;
  message.properties.add('AzIoTHub_FaultOperationType', type);
  message.properties.add('AzIoTHub_FaultOperationCloseReason', ' severed by a test ');
  message.properties.add('AzIoTHub_FaultOperationDelayInSecs', delay);
  message.properties.add('AzIoTHub_FaultOperationDurationInSecs', duration);
  return message;
}

/** The drop comes one to three seconds after the wish, the next message is taken within ten, a repeated wish does nothing. */
async function drops(transport, type) {
  const client = await open(`${type}-${transport}`, transport);
  const before = closed.length;
  await client.sendEvent(wish(type, 'one', 2, 5));
  const sent = Date.now();
  while (closed.length === before && Date.now() - sent < 5000) await sleep(20);
  const after = closed[before] - sent;
  if (!(after > 1000 && after < 3200)) return `${transport}: dropped after ${after} ms`;
  await client.sendEvent(new Message('again'));
  const back = Date.now() - sent - after;
  if (back > 10000) return `${transport}: back after ${back} ms`;
  const drops = closed.length;
  await client.sendEvent(wish(type, 'one', 2, 5));
  await sleep(3000);
  if (closed.length !== drops) return `${transport}: the repeated wish dropped the connection again`;
  await client.close();
  return undefined;
}

await check(11, async () => {
  for (const transport of Object.keys(protocols)) {
    const why = await drops(transport, 'KillTcp');
    if (why) return why;
  }
  return undefined;
}, 90000);

await check(13, async () => await drops('Mqtt', 'ShutDownMqtt') ?? await drops('Amqp', 'ShutDownAmqp') ?? await drops('Amqp', 'KillAmqpConnection'), 60000);

await check(14, async () => {
  const { key } = await device('http');
  const { SharedAccessSignature } = require('azure-iot-common');
  const token = SharedAccessSignature.create(`${hostName}/devices/http`, undefined, key, Math.floor(Date.now() / 1000) + 3600).toString();
  const post = (headers) => new Promise((resolve, reject) => {
    const request = https.request({ host: hostName, path: '/devices/http/messages/events?api-version=2021-04-12', method: 'POST', headers: { Authorization: token, ...headers } },
      (response) => { response.resume(); resolve(response.statusCode); });
    request.on('error', reject);
    request.end('x');
  });
  const invoke = { 'iothub-app-AzIoTHub_FaultOperationType': 'InvokeThrottling', 'iothub-app-AzIoTHub_FaultOperationDelayInSecs': '2', 'iothub-app-AzIoTHub_FaultOperationDurationInSecs': '2' };
  const first = await post(invoke);
  const second = await post({});
  await sleep(2500);
  const third = await post({});
  if (`${first} ${second} ${third}` !== '429 429 204') return `HTTP answered ${first} ${second} ${third}`;

  // The SDK tries again by itself, and what it tried arrives once: the test reads the events.
  const client = await open('throttled', 'Amqp');
  await client.sendEvent(wish('InvokeThrottling', 'two', 0, 5));
  await sleep(500);
  const started = Date.now();
  await client.sendEvent(new Message('once'));
  const waited = Date.now() - started;
  await client.close();
  return waited > 3000 ? undefined : `the throttled message was taken after ${waited} ms`;
}, 90000);

await finish();
