// Events besides telemetry, read from outside with @azure/event-hubs: rows of messaging-semantics.md, one JSON line each.
//   NAVE_WANTED  "all" where the hub sends every source to its events endpoint, "none" where nobody has asked for any
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { require, iot, events, check, finish, sleep, field } from './harness.mjs';

const { EventHubConsumerClient } = require('@azure/event-hubs');
const { Registry } = require('azure-iothub');
const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Http } = require('azure-iot-device-http');

const registry = Registry.fromConnectionString(iot);
const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');
const host = field(iot, 'HostName');
const seen = [];
const reader = new EventHubConsumerClient('$Default', events);
const subscription = reader.subscribe(
  { processEvents: async (batch) => { seen.push(...batch); }, processError: async (error) => { console.error(error); } },
  { startPosition: { offset: '-1' } });

const sourceOf = (event) => event.systemProperties['iothub-message-source'];
const of = (source, device) => seen.filter((e) => sourceOf(e) === source && e.systemProperties['iothub-connection-device-id'] === device);
async function until(condition, what, seconds = 20) {
  for (let i = 0; i < seconds * 20; i++) {
    if (condition()) return;
    await sleep(50);
  }
  throw new Error(`${what} did not come; seen: ${JSON.stringify(seen.map((e) => [sourceOf(e), e.properties, e.body]))}`);
}
async function create(deviceId) {
  const { responseBody } = await registry.create({ deviceId });
  return `HostName=${host};DeviceId=${deviceId};SharedAccessKey=${responseBody.authentication.symmetricKey.primaryKey}`;
}
async function connect(device, transport) {
  const client = Client.fromConnectionString(device, transport);
  if (transport !== Http) await client.setOptions({ ca });
  await client.open();
  return client;
}
// The registry's own call for a PUT of a twin is not offered by the client: its REST client is.
const put = (path, body) => new Promise((resolve, reject) => {
  const query = '?api-version=2021-04-12';
  registry._restApiClient.executeApiCall('PUT', path + query, { 'Content-Type': 'application/json; charset=utf-8', 'If-Match': '"*"' }, body, (error) => (error ? reject(error) : resolve()));
});
// An event as messaging-semantics.md 5 wants it.
function isWellFormed(event, source, schema, opType, device) {
  assert.equal(sourceOf(event), source);
  assert.equal(event.contentType, 'application/json');
  assert.ok(event.correlationId);
  assert.equal(event.systemProperties['iothub-connection-device-id'], device);
  assert.ok(event.systemProperties['iothub-enqueuedtime'] > 0);
  const { hubName, deviceId, operationTimestamp, opType: op, 'iothub-message-schema': stated } = event.properties;
  assert.ok(hubName);
  assert.equal(deviceId, device);
  assert.match(operationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/);
  assert.equal(op, opType);
  assert.equal(stated, schema);
}

if (process.env.NAVE_WANTED === 'all') {
  await check(19, async () => {
    await create('life');
    await registry.addModule({ deviceId: 'life', moduleId: 'part' });
    await registry.delete('life');
    await until(() => of('deviceLifecycleEvents', 'life').length >= 4, 'the life of a device and its module');
    const life = of('deviceLifecycleEvents', 'life');
    assert.equal(life.length, 4);
    const kinds = life.map((e) => `${e.properties.opType} ${e.properties.moduleId ?? ''}`.trim());
    assert.deepEqual(kinds, ['createDeviceIdentity', 'createDeviceIdentity part', 'deleteDeviceIdentity part', 'deleteDeviceIdentity']);
    isWellFormed(life[0], 'deviceLifecycleEvents', 'deviceLifecycleNotification', 'createDeviceIdentity', 'life');
    isWellFormed(life[3], 'deviceLifecycleEvents', 'deviceLifecycleNotification', 'deleteDeviceIdentity', 'life');
    assert.equal(life[1].systemProperties['iothub-connection-module-id'], 'part');
    assert.equal(life[0].body.deviceId, 'life');
    assert.ok(life[0].body.properties.desired.$metadata.$lastUpdated);
    assert.equal(life[0].body.properties.reported.$version, 1);
  });

  await check(20, async () => {
    const device = await connect(await create('twin'), Mqtt);
    const twin = await device.getTwin();
    const changes = () => of('twinChangeEvents', 'twin');
    await registry.updateTwin('twin', { tags: { site: 'north' }, properties: { desired: { rate: 5, fan: { speed: 1 } } } }, '*');
    await registry.updateTwin('twin', { properties: { desired: { fan: { speed: 2 } } } }, '*');
    await new Promise((resolve, reject) => { twin.properties.reported.update({ batt: 71 }, (e) => (e ? reject(e) : resolve())); });
    await put('/twins/twin', { properties: { desired: { only: true } } });
    await until(() => changes().length >= 4, 'four changes of a twin');
    const [, patch, reported, replaced] = changes();
    assert.equal(changes().length, 4);

    isWellFormed(patch, 'twinChangeEvents', 'twinChangeNotification', 'updateTwin', 'twin');
    assert.equal(patch.body.tags, undefined);
    assert.equal(patch.body.properties.reported, undefined);
    const { $metadata, $version, ...values } = patch.body.properties.desired;
    assert.deepEqual(values, { fan: { speed: 2 } });
    assert.equal($version, 3);
    assert.ok($metadata.fan.speed.$lastUpdated);
    assert.equal($metadata.rate, undefined);
    assert.ok(patch.body.version > 0);

    isWellFormed(reported, 'twinChangeEvents', 'twinChangeNotification', 'updateTwin', 'twin');
    assert.equal(reported.body.properties.desired, undefined);
    assert.equal(reported.body.properties.reported.batt, 71);
    assert.equal(reported.body.properties.reported.$version, 2);

    isWellFormed(replaced, 'twinChangeEvents', 'twinChangeNotification', 'replaceTwin', 'twin');
    assert.equal(replaced.body.properties.desired.only, true);
    assert.equal(replaced.body.properties.desired.rate, undefined);
    assert.equal(replaced.body.properties.reported.batt, 71);
    assert.deepEqual(replaced.body.tags, { site: 'north' });
    await device.close();
  });

  await check(21, async () => {
    const device = await connect(await create('goer'), Mqtt);
    await device.sendEvent(new Message('hello'));
    await until(() => of('deviceConnectionStateEvents', 'goer').length === 1, 'deviceConnected');
    await device.close();
    await until(() => of('deviceConnectionStateEvents', 'goer').length === 2, 'deviceDisconnected');
    const [up, down] = of('deviceConnectionStateEvents', 'goer');
    isWellFormed(up, 'deviceConnectionStateEvents', 'deviceConnectionStateNotification', 'deviceConnected', 'goer');
    isWellFormed(down, 'deviceConnectionStateEvents', 'deviceConnectionStateNotification', 'deviceDisconnected', 'goer');
    for (const event of [up, down]) assert.match(event.body.sequenceNumber, /^[0-9A-F]{64}$/);
    assert.ok(up.body.sequenceNumber < down.body.sequenceNumber);

    const http = await connect(await create('poster'), Http);
    await http.sendEvent(new Message('hello'));
    await http.close();
    await until(() => of('Telemetry', 'poster').length === 1, 'the message of the device that uses HTTP');
    await sleep(2500); // Presence is written every second.
    assert.equal(of('deviceConnectionStateEvents', 'poster').length, 0);
  });
} else {
  await check(22, async () => {
    const device = await connect(await create('silent'), Mqtt);
    await device.sendEvent(new Message('hello'));
    await device.close();
    await registry.delete('silent');
    await until(() => seen.length > 0, 'the message');
    await sleep(2500);
    assert.deepEqual(seen.map(sourceOf), ['Telemetry']);
  });
}

await subscription.close();
await reader.close();
await finish();
