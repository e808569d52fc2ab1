// Digital twins through the unmodified DigitalTwinClient of azure-iothub, with a Plug and Play device on azure-iot-device.
//   NAVE_IOT  HostName=...;SharedAccessKeyName=iothubowner;SharedAccessKey=...
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { require, iot, events, field, check, finish, sleep } from './harness.mjs';

const { Registry, DigitalTwinClient, IoTHubTokenCredentials } = require('azure-iothub');
const { EventHubConsumerClient } = require('@azure/event-hubs');
const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const registry = Registry.fromConnectionString(iot);
const twins = new DigitalTwinClient(new IoTHubTokenCredentials(iot));
const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');
const model = 'dtmi:com:example:TemperatureController;1';
const seen = [];
const reader = new EventHubConsumerClient('$Default', events);
const subscription = reader.subscribe(
  { processEvents: async (batch) => { seen.push(...batch); }, processError: async (error) => { console.error(error); } },
  { startPosition: { offset: '-1' } });

async function until(condition, what) {
  for (let i = 0; i < 400; i++) {
    if (await condition()) return;
    await sleep(50);
  }
  throw new Error(`${what} did not happen`);
}

const { responseBody } = await registry.create({ deviceId: 'controller' });
const device = Client.fromConnectionString(
  `HostName=${field(iot, 'HostName')};DeviceId=controller;SharedAccessKey=${responseBody.authentication.symmetricKey.primaryKey}`, Mqtt);
await device.setOptions({ ca, modelId: model });
await device.open();
const twin = await device.getTwin();
const heard = [];
twin.on('properties.desired', (delta) => { heard.push(delta); });
device.onDeviceMethod('reboot', (request, response) => response.send(200, { after: request.payload }, () => {}));
device.onDeviceMethod('thermostat1*report', (request, response) => response.send(207, [1, 2], () => {}));

// Numbers are this script's own: the spec has no rows for digital twins.
await check(1, async () => {
  await new Promise((resolve, reject) => {
    twin.properties.reported.update({ serial: 's-1', thermostat1: { __t: 'c', max: 25.5 } }, (e) => (e ? reject(e) : resolve()));
  });
  const document = await twins.getDigitalTwin('controller');
  assert.equal(document.$dtId, 'controller');
  assert.equal(document.$metadata.$model, model);
  assert.equal(document.serial, 's-1');
  assert.equal(document.thermostat1.max, 25.5);
  assert.ok(Date.parse(document.thermostat1.$metadata.max.lastUpdateTime) > 0);
  assert.match(document._response.headers.get('etag'), /^".+"$/);
  const { responseBody: deviceTwin } = await registry.getTwin('controller');
  assert.equal(deviceTwin.modelId, model);
});

await check(2, async () => {
  await twins.updateDigitalTwin('controller', [
    { op: 'add', path: '/rate', value: 5 }, { op: 'add', path: '/thermostat1/target', value: 20.4 },
  ]);
  await until(() => heard.some((delta) => delta.rate === 5 && delta.thermostat1?.target === 20.4 && delta.thermostat1?.__t === 'c'), 'the news to the device');
  const document = await twins.getDigitalTwin('controller');
  assert.equal(document.$metadata.rate.desiredValue, 5);
  assert.equal(document.thermostat1.$metadata.target.desiredValue, 20.4);
  const { responseBody: deviceTwin } = await registry.getTwin('controller');
  assert.equal(deviceTwin.properties.desired.rate, 5);

  // The device's answer to a writable property.
  const version = document.$metadata.rate.desiredVersion;
  await new Promise((resolve, reject) => {
    twin.properties.reported.update({ rate: { value: 5, ac: 200, av: version, ad: 'done' } }, (e) => (e ? reject(e) : resolve()));
  });
  const answered = await twins.getDigitalTwin('controller');
  assert.equal(answered.rate, 5);
  assert.deepEqual([answered.$metadata.rate.ackCode, answered.$metadata.rate.ackVersion, answered.$metadata.rate.ackDescription], [200, version, 'done']);

  const stale = await twins.updateDigitalTwin('controller', [{ op: 'replace', path: '/rate', value: 6 }], '"stale"').then(() => null, (e) => e);
  assert.equal(stale?.statusCode, 412);
  await twins.updateDigitalTwin('controller', [{ op: 'replace', path: '/rate', value: 6 }], answered._response.headers.get('etag'));
  const unknown = await twins.getDigitalTwin('nobody').then(() => null, (e) => e);
  assert.equal(unknown?.statusCode, 404);
});

await check(3, async () => {
  const root = await twins.invokeCommand('controller', 'reboot', 3, { connectTimeoutInSeconds: 5, responseTimeoutInSeconds: 10 });
  assert.equal(root.xMsCommandStatuscode, 200);
  assert.ok(root.xMsRequestId);
  assert.deepEqual(JSON.parse(root._response.bodyAsText), { after: 3 });
  const component = await twins.invokeComponentCommand('controller', 'thermostat1', 'report', { since: 'x' });
  assert.equal(component.xMsCommandStatuscode, 207);
  assert.deepEqual(JSON.parse(component._response.bodyAsText), [1, 2]);
  await registry.create({ deviceId: 'away' });
  const away = await twins.invokeCommand('away', 'reboot', {}).then(() => null, (e) => e);
  assert.equal(away?.statusCode, 404);
});

await check(4, async () => {
  const changes = () => seen.filter((e) => e.systemProperties['iothub-message-source'] === 'digitalTwinChangeEvents');
  await until(() => changes().some((e) => e.body.some((op) => op.path === '/serial')) && changes().some((e) => e.body.some((op) => op.path === '/$metadata/rate/desiredValue' && op.value === 6)), 'the events of both sides');
  assert.ok(changes().some((e) => e.body.some((op) => op.path === '/$metadata/$model' && op.value === model)), 'no event of the model');
  const first = changes().find((e) => e.body.some((op) => op.path === '/serial'));
  assert.equal(first.properties['iothub-message-schema'], 'digitalTwinChangeNotification');
  assert.equal(first.systemProperties['dt-dataschema'], model);
  assert.deepEqual(first.body.find((op) => op.path === '/serial'), { op: 'add', path: '/serial', value: 's-1' });
});

await device.close();
await subscription.close();
await reader.close();
await finish();
