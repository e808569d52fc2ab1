// Automatic device management through the unmodified azure-iothub client, and what devices see of it.
//   NAVE_IOT  HostName=...;SharedAccessKeyName=iothubowner;SharedAccessKey=...
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { require, iot, field, check, finish, sleep } from './harness.mjs';

const { Registry } = require('azure-iothub');
const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const registry = Registry.fromConnectionString(iot);
const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');

const body = async (promise) => (await promise).responseBody;
const rejects = async (promise, status, code) => {
  const error = await promise.then(() => null, (e) => e);
  assert.ok(error, `expected ${status}`);
  assert.equal(error.response?.statusCode, status, error.stack);
  assert.equal(error.response.headers['iothub-errorcode'], code);
};
async function until(condition, what) {
  for (let i = 0; i < 400; i++) {
    if (await condition()) return;
    await sleep(50);
  }
  throw new Error(`${what} did not happen`);
}
const desired = async (id) => (await body(registry.getTwin(id))).properties.desired;
const status = async (id, configuration) => (await body(registry.getTwin(id))).configurations?.[configuration]?.status;
async function create(deviceId, tags) {
  const device = await body(registry.create({ deviceId }));
  if (tags) await registry.updateTwin(deviceId, { tags }, '*');
  return `HostName=${field(iot, 'HostName')};DeviceId=${deviceId};SharedAccessKey=${device.authentication.symmetricKey.primaryKey}`;
}
const cooling = {
  id: 'cooling',
  labels: { team: 'plant' },
  content: { deviceContent: { 'properties.desired.fan': { speed: 3 } } },
  targetCondition: "tags.site = 'north'",
  priority: 10,
  metrics: { queries: { ready: "SELECT deviceId FROM devices WHERE properties.reported.fan = 'on'" } },
};

// Numbers are this script's own: the spec has no rows for configurations.
await check(1, async () => {
  const made = await body(registry.addConfiguration({ ...cooling }));
  assert.equal(made.id, 'cooling');
  assert.equal(made.schemaVersion, '1.0');
  assert.deepEqual(made.labels, cooling.labels);
  assert.deepEqual(made.content, cooling.content);
  assert.equal(made.targetCondition, cooling.targetCondition);
  assert.equal(made.priority, 10);
  assert.deepEqual(made.metrics.queries, cooling.metrics.queries);
  assert.ok(Date.parse(made.createdTimeUtc) > 0 && made.etag);
  await rejects(registry.addConfiguration({ ...cooling }), 409, 'ConfigurationAlreadyExists');
  await rejects(registry.getConfiguration('nothing'), 404, 'ConfigurationNotFound');
});

await check(2, async () => {
  const device = Client.fromConnectionString(await create('n-1', { site: 'north' }), Mqtt);
  await device.setOptions({ ca });
  await create('s-1', { site: 'south' });
  await until(async () => (await status('n-1', 'cooling')) === 'Applied', 'the configuration of a new device');
  assert.deepEqual((await desired('n-1')).fan, { speed: 3 });
  assert.equal((await desired('s-1')).fan, undefined);

  // A device that is connected hears of what comes and goes, and what it reports is counted.
  await device.open();
  const twin = await device.getTwin();
  const heard = [];
  twin.on('properties.desired', (delta) => { heard.push(delta); });
  assert.equal(twin.properties.desired.fan.speed, 3);
  await new Promise((resolve, reject) => { twin.properties.reported.update({ fan: 'on' }, (e) => (e ? reject(e) : resolve())); });
  await until(async () => (await body(registry.getConfiguration('cooling'))).metrics.results.ready === 1, 'the metric of one');
  const { systemMetrics } = await body(registry.getConfiguration('cooling'));
  assert.deepEqual(systemMetrics.results, { targetedCount: 1, appliedCount: 1 });
  await registry.updateTwin('n-1', { tags: { site: 'south' } }, '*');
  await until(() => heard.some((delta) => delta.fan === null), 'the news that the setting is gone');
  await until(async () => (await status('n-1', 'cooling')) === undefined, 'the end of the scope');
  assert.equal((await desired('n-1')).fan, undefined);
  await device.close();
});

await check(3, async () => {
  await create('p-1', { site: 'north' });
  await registry.addConfiguration({
    id: 'quiet', content: { deviceContent: { 'properties.desired.fan.speed': 1, 'properties.desired.night': true } }, targetCondition: '*', priority: 20,
  });
  await until(async () => (await desired('p-1')).night === true && (await desired('p-1')).fan?.speed === 1, 'the stronger configuration');
  const found = await body(registry.getConfiguration('quiet'));
  await registry.updateConfiguration({ ...found, priority: 1 });
  await until(async () => (await desired('p-1')).fan?.speed === 3, 'the configuration that is stronger now');
  assert.equal((await desired('p-1')).night, true);
  await rejects(registry.updateConfiguration(found), 412, 'PreconditionFailed');
  const now = await body(registry.getConfiguration('quiet'));
  await rejects(registry.updateConfiguration({ ...now, content: { deviceContent: { 'properties.desired.x': 1 } } }), 400, 'CannotModifyImmutableConfigurationContent');
  assert.deepEqual((await body(registry.getConfigurations())).map((c) => c.id).sort(), ['cooling', 'quiet']);
});

await check(4, async () => {
  await registry.removeConfiguration('quiet');
  await until(async () => (await desired('p-1')).night === undefined, 'the end of what was set');
  assert.deepEqual((await desired('p-1')).fan, { speed: 3 });
  await rejects(registry.removeConfiguration('quiet'), 404, 'ConfigurationNotFound');
});

await check(5, async () => {
  await rejects(registry.addConfiguration({ id: 'x', targetCondition: 'tags.site =', content: {} }), 400, 'InvalidConfigurationTargetCondition');
  await rejects(registry.addConfiguration({ id: 'x', targetCondition: '*', content: { deviceContent: { 'tags.x': 1 } } }), 400, 'InvalidConfigurationContent');
  await rejects(registry.addConfiguration({ id: 'x', targetCondition: '*', metrics: { queries: { m: 'SELECT' } } }), 400, 'InvalidConfigurationCustomMetricsQuery');
  await rejects(registry.addConfiguration({ id: 'X', targetCondition: '*' }), 400, 'ArgumentInvalid');
});

await check(6, async () => {
  await registry.create({ deviceId: 'edge', capabilities: { iotEdge: true } });
  const content = { modulesContent: { $edgeAgent: { 'properties.desired': { schemaVersion: '1.1', modules: {} } }, $edgeHub: { 'properties.desired.routes': { all: 'FROM /* INTO $upstream' } } } };
  const { httpResponse } = await registry.applyConfigurationContentOnDevice('edge', content);
  assert.equal(httpResponse.statusCode, 204);
  const agent = await body(registry.getModuleTwin('edge', '$edgeAgent'));
  assert.equal(agent.properties.desired.schemaVersion, '1.1');
  const hub = await body(registry.getModuleTwin('edge', '$edgeHub'));
  assert.deepEqual(hub.properties.desired.routes, { all: 'FROM /* INTO $upstream' });
  await rejects(registry.applyConfigurationContentOnDevice('nobody', content), 404, 'DeviceNotFound');
});

await finish();
