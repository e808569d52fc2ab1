// Twins through the vendors' SDKs: azure-iothub reads, patches and replaces them, azure-iot-device reports and listens.
//   NAVE_IOT      HostName=...;SharedAccessKeyName=...;SharedAccessKey=...
//   NAVE_TRANSPORTS  of the device SDK, by commas
// Prints one JSON line per checked row.
import fs from 'node:fs';
import { iot, require, sleep } from './harness.mjs';

const { Client, ModuleClient, Message } = require('azure-iot-device');
const { Registry, Client: Service } = require('azure-iothub');
const { SharedAccessSignature, anHourFromNow } = require('azure-iot-common');
const registry = Registry.fromConnectionString(iot);
const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');
const hostName = /HostName=([^;]*)/.exec(iot)[1];
const protocols = {
  Mqtt: require('azure-iot-device-mqtt').Mqtt,
  MqttWs: require('azure-iot-device-mqtt').MqttWs,
  Amqp: require('azure-iot-device-amqp').Amqp,
  AmqpWs: require('azure-iot-device-amqp').AmqpWs,
};

let failed = 0;
async function row(spec, rows, body, milliseconds = 40000) {
  let why;
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`no outcome within ${milliseconds} ms`)), milliseconds); });
  try { why = await Promise.race([body(), late]); } catch (error) { why = error?.stack ?? error; }
  clearTimeout(timer);
  for (const number of [].concat(rows)) {
    failed += why === undefined ? 0 : 1;
    console.log(JSON.stringify({ spec, row: number, ok: why === undefined, why: why === undefined ? '' : String(why) }));
  }
}

async function create(deviceId) {
  const { responseBody } = await registry.create({ deviceId, status: 'enabled' });
  const key = responseBody.authentication.symmetricKey.primaryKey;
  return { key, text: `HostName=${hostName};DeviceId=${deviceId};SharedAccessKey=${key}` };
}

async function open(client) {
  await client.setOptions({ ca });
  await client.open();
  client.on('error', () => {});
  return client;
}

const twinOf = (client) => new Promise((resolve, reject) => { client.getTwin((error, twin) => (error ? reject(error) : resolve(twin))); });
const patchReported = (twin, patch) => new Promise((resolve, reject) => {
  twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()));
});
const serviceTwin = async (id) => (await registry.getTwin(id)).responseBody;
const refusalOf = (promise) => promise.then(() => 'none', (error) => error.name);
async function until(condition, what) {
  for (let i = 0; i < 200; i++) {
    if (condition()) return;
    await sleep(50);
  }
  throw new Error(`${what} did not come`);
}

async function replace(id, twin) {
  const token = SharedAccessSignature.create(hostName, /SharedAccessKeyName=([^;]*)/.exec(iot)[1], /SharedAccessKey=([^;]*)/.exec(iot)[1], anHourFromNow()).toString();
  const headers = { Authorization: token, 'If-Match': '"*"', 'Content-Type': 'application/json; charset=utf-8' };
  const answer = await fetch(`https://${hostName}/twins/${id}?api-version=2021-04-12`, { method: 'PUT', headers, body: JSON.stringify(twin) });
  return answer.json();
}

/** All that a device does with its twin, over one transport, against what the back end sees. */
async function wholeTwin(transport, client, get, update) {
  const twin = await twinOf(client);
  if (twin.properties.reported.$version !== 1 || twin.properties.desired.$version !== 1) return `${transport}: ${JSON.stringify(twin.properties)}`;
  if (twin.properties.reported.$metadata) return `${transport}: the device sees metadata`;

  // Reported: merge, null removes.
  await patchReported(twin, { battery: 55, net: { ip: '1.2.3.4', old: true }, list: [1, { a: 2 }] });
  await patchReported(twin, { net: { old: null } });
  let seen = (await get()).properties.reported;
  if (seen.$version !== 3 || seen.battery !== 55 || JSON.stringify(seen.net) !== '{"ip":"1.2.3.4"}' || seen.list[1].a !== 2) return `${transport}: reported ${JSON.stringify(seen)}`;
  if (seen.$metadata.net.ip.$lastUpdated === undefined || seen.$metadata.net.old !== undefined) return `${transport}: metadata ${JSON.stringify(seen.$metadata)}`;
  const refused = await patchReported(twin, { 'a.b': 1 }).then(() => 'none', (error) => error.name);
  if (refused === 'none') return `${transport}: a broken patch was taken`;

  // Desired: told once, in order, deletions as null.
  const deltas = [];
  twin.on('properties.desired', (delta) => { deltas.push(delta); });
  await until(() => deltas.length === 1, `${transport}: the first delta`); // The SDK tells what it has got.
  await sleep(500); // It subscribes when a handler is there, and says nothing of it.
  await update({ properties: { desired: { rate: 5, old: 1 } } });
  await update({ tags: { site: 'north' } });
  await update({ properties: { desired: { old: null } } });
  await until(() => deltas.length >= 3, `${transport}: the deltas`);
  await sleep(200);
  if (deltas.length !== 3 || deltas[1].rate !== 5 || deltas[1].$version !== 2 || deltas[2].old !== null || deltas[2].$version !== 3) return `${transport}: ${JSON.stringify(deltas)}`;
  if (twin.properties.desired.rate !== 5 || twin.properties.desired.old !== undefined) return `${transport}: ${JSON.stringify(twin.properties.desired)}`;

  seen = await get();
  if (seen.tags.site !== 'north' || seen.properties.desired.$version !== 3) return `${transport}: ${JSON.stringify(seen)}`;
  return undefined;
}

for (const transport of process.env.NAVE_TRANSPORTS.split(',')) {
  await row(`transport ${transport}`, 1, async () => {
    const id = `twin-${transport}`;
    const client = await open(Client.fromConnectionString((await create(id)).text, protocols[transport]));
    const why = await wholeTwin(transport, client, () => serviceTwin(id), (patch) => registry.updateTwin(id, patch, '*'));
    await client.close();
    return why;
  });
  await row(`transport ${transport}`, 2, async () => {
    const deviceId = `twin-${transport}`;
    const { responseBody: module } = await registry.addModule({ deviceId, moduleId: 'valve' });
    const text = `HostName=${hostName};DeviceId=${deviceId};ModuleId=valve;SharedAccessKey=${module.authentication.symmetricKey.primaryKey}`;
    const client = await open(ModuleClient.fromConnectionString(text, protocols[transport]));
    const why = await wholeTwin(
      `module over ${transport}`, client, async () => (await registry.getModuleTwin(deviceId, 'valve')).responseBody,
      (patch) => registry.updateModuleTwin(deviceId, 'valve', patch, '*'));
    await client.close();
    return why;
  });
}

await row('service-rest', [14, 16, 17], async () => {
  await create('svc');
  const twin = await serviceTwin('svc');
  if (JSON.stringify(twin.tags) !== '{}' || twin.version !== 2 || twin.etag !== 'AAAAAAAAAAE=') return JSON.stringify(twin);
  await twin.update({ tags: { a: 1, b: 2 }, properties: { desired: { x: { y: 1, z: 2 } } } });
  let changed = await serviceTwin('svc');
  changed = (await registry.updateTwin('svc', { properties: { desired: { x: { z: null } } } }, changed.etag)).responseBody;
  const desired = changed.properties.desired;
  if (desired.$version !== 3 || desired.x.y !== 1 || 'z' in desired.x || 'z' in desired.$metadata.x) return JSON.stringify(desired);
  if (desired.$metadata.x.$lastUpdatedVersion !== 3 || desired.$metadata.x.y.$lastUpdatedVersion !== 2) return JSON.stringify(desired.$metadata);
  changed = await replace('svc', { tags: { only: true } }); // No method of this SDK.
  if (JSON.stringify(changed.tags) !== '{"only":true}' || changed.properties.desired.$version !== 3) return JSON.stringify(changed);
  const stale = await refusalOf(registry.updateTwin('svc', { tags: { a: 2 } }, 'AAAAAAAAAAE='));
  return stale === 'InvalidEtagError' ? undefined : `a stale etag: ${stale}`;
});

await row('service-rest', [18, 19], async () => {
  const nested = (levels) => (levels === 0 ? 1 : { n: nested(levels - 1) });
  for (const bad of [{ 'a.b': 1 }, { $a: 1 }, { 'a b': 1 }, { 'a\u0001': 1 }, nested(12), { n: 4503599627370496 }]) {
    const name = await refusalOf(registry.updateTwin('svc', { tags: bad }, '*'));
    if (name !== 'ArgumentError') return `${JSON.stringify(bad)}: ${name}`;
  }
  for (const good of [nested(11), { n: 4503599627370495 }]) await registry.updateTwin('svc', { tags: good }, '*');
  const name = await refusalOf(registry.getTwin('nobody'));
  return name === 'DeviceNotFoundError' ? undefined : `unknown device: ${name}`;
});

await row('device-mqtt', 24, async () => {
  const client = await open(Client.fromConnectionString((await create('bad-patch')).text, protocols.Mqtt));
  const twin = await twinOf(client);
  const error = await patchReported(twin, { n: 4503599627370496 }).then(() => undefined, (e) => e);
  await client.close();
  return error instanceof Error ? undefined : `the callback got ${error}`;
});

// A renewal is DISCONNECT, CONNECT with the session kept, and no SUBSCRIBE at all.
await row('device-mqtt', [7, 8], async () => {
  const { key } = await create('renewed');
  const token = () => SharedAccessSignature.create(`${hostName}/devices/renewed`, undefined, key, anHourFromNow()).toString();
  const client = await open(Client.fromSharedAccessSignature(token(), protocols.Mqtt));
  const twin = await twinOf(client);
  const deltas = [];
  twin.on('properties.desired', (delta) => { deltas.push(delta); });
  const messages = [];
  client.on('message', (message) => { messages.push(message.getData().toString()); client.complete(message, () => {}); });
  client.onDeviceMethod('ping', (request, response) => { response.send(200, { pong: request.payload }, () => {}); });
  await sleep(500);

  await new Promise((resolve, reject) => { client.updateSharedAccessSignature(token(), (error) => (error ? reject(error) : resolve())); });
  await registry.updateTwin('renewed', { properties: { desired: { after: 'renewal' } } }, '*');
  await until(() => deltas.some((delta) => delta.after === 'renewal'), 'the delta');
  await patchReported(twin, { after: 'renewal' });
  twin.get && await new Promise((resolve, reject) => { twin.get((error) => (error ? reject(error) : resolve())); });
  const service = Service.fromConnectionString(iot);
  await service.open();
  await service.send('renewed', 'after the renewal');
  await until(() => messages.includes('after the renewal'), 'the command');
  const { result } = await service.invokeDeviceMethod('renewed', { methodName: 'ping', payload: 7, responseTimeoutInSeconds: 10 });
  await client.close();
  await service.close();
  if (result.payload.pong !== 7) return `method: ${JSON.stringify(result)}`;
  return (await serviceTwin('renewed')).properties.reported.after === 'renewal' ? undefined : 'the patch after the renewal is not there';
});

await row('device-mqtt', 9, async () => {
  const client = await open(Client.fromConnectionString((await create('reset')).text, protocols.Mqtt));
  client.on('message', (message) => client.complete(message, () => {})); // What makes the SDK reconnect by itself.
  const twin = await twinOf(client);
  const deltas = [];
  twin.on('properties.desired', (delta) => { deltas.push(delta); });
  await sleep(500);
  const drop = new Message('drop');
  drop.properties.add('AzIoTHub_FaultOperationType', 'KillTcp');
  drop.properties.add('AzIoTHub_FaultOperationCloseReason', 'a test');
  drop.properties.add('AzIoTHub_FaultOperationDelayInSecs', '1');
  drop.properties.add('AzIoTHub_FaultOperationDurationInSecs', '5');
  await client.sendEvent(drop);
  await sleep(2500);
  await client.sendEvent(new Message('back'));
  await registry.updateTwin('reset', { properties: { desired: { after: 'reset' } } }, '*');
  await until(() => deltas.some((delta) => delta.after === 'reset'), 'the delta');
  await client.close();
  return undefined;
});

process.exit(failed === 0 ? 0 : 1);
