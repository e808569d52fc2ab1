// The identity registry through the unmodified azure-iothub client: rows of service-rest.md, one JSON line each.
//   NAVE_IOT           HostName=...;SharedAccessKeyName=iothubowner;SharedAccessKey=...
//   NAVE_REGISTRY_READ the same with the policy registryRead
import assert from 'node:assert/strict';
import { require, iot, field, check, finish } from './harness.mjs';

const { Registry } = require('azure-iothub');
const registry = Registry.fromConnectionString(iot);
const host = field(iot, 'HostName');
const run = `r${process.pid}-`;
const made = new Set();

const add = async (device) => {
  made.add(device.deviceId);
  return (await registry.create(device)).responseBody;
};
const get = async (id) => (await registry.get(id)).responseBody;
const keys = (device) => device.authentication.symmetricKey;
const rejects = async (promise, name, status) => {
  const error = await promise.then(() => null, (e) => e);
  assert.ok(error, `expected ${name}`);
  assert.equal(error.name, name, `${error.name}: ${error.message}`);
  if (status) assert.equal(error.response?.statusCode, status);
  return error;
};

await check(1, async () => {
  const { httpResponse: response, responseBody } = await registry.create({ deviceId: `${run}one` });
  made.add(`${run}one`);
  assert.match(response.headers['content-type'], /application\/json/);
  assert.equal(responseBody.deviceId, `${run}one`);
  assert.equal(response.headers.etag, `"${responseBody.etag}"`);
});

await check(2, async () => {
  const error = await rejects(registry.create({ deviceId: `${run}one` }), 'DeviceAlreadyExistsError', 409);
  assert.equal(error.response.headers['iothub-errorcode'], 'DeviceAlreadyExists');
  assert.match(JSON.parse(error.responseBody).Message, /^ErrorCode:DeviceAlreadyExists;/);
});

await check(3, async () => {
  const { responseBody } = await registry.update({ deviceId: `${run}one`, status: 'disabled', statusReason: 'broken' });
  assert.deepEqual([responseBody.status, responseBody.statusReason], ['disabled', 'broken']);
  const kept = await get(`${run}one`);
  assert.ok(keys(kept).primaryKey, 'an update without keys keeps them');
  const module = (await registry.addModule({ deviceId: `${run}one`, moduleId: 'm' })).responseBody;
  await registry.updateModule({ ...module, managedBy: 'IotEdge' });
  await rejects(registry.updateModule({ ...module, managedBy: null }), 'InvalidEtagError', 412);
  await registry.updateModule({ ...module, managedBy: null }, true);
});

await check(4, async () => {
  const empty = await add({ deviceId: `${run}empty`, authentication: { symmetricKey: { primaryKey: '', secondaryKey: '' } } });
  const nulls = await add({ deviceId: `${run}nulls`, authentication: { symmetricKey: { primaryKey: null, secondaryKey: null } } });
  for (const device of [empty, nulls]) {
    const [primary, secondary] = [keys(device).primaryKey, keys(device).secondaryKey];
    assert.equal(Buffer.from(primary, 'base64').length, 32);
    assert.equal(Buffer.from(secondary, 'base64').length, 32);
    assert.notEqual(primary, secondary);
  }
});

await check(5, async () => {
  const key = Buffer.alloc(32, 7).toString('base64');
  await rejects(registry.create({ deviceId: `${run}half`, authentication: { symmetricKey: { primaryKey: key, secondaryKey: '' } } }), 'ArgumentError', 400);
});

await check(6, async () => {
  for (const id of [`${run}dev#1`, `${run}a%b+c@d:e?f;g$h'(i)*!,=._`, `${run}a%2Fb`]) {
    assert.equal((await add({ deviceId: id })).deviceId, id);
    assert.equal((await get(id)).deviceId, id);
  }
});

await check(7, async () => {
  await rejects(registry.get(`${run}unknown`), 'DeviceNotFoundError', 404);
  await rejects(registry.getModule(`${run}one`, 'unknown'), 'DeviceNotFoundError', 404).catch(async () => {
    const error = await registry.getModule(`${run}one`, 'unknown').then(() => null, (e) => e);
    assert.equal(error.response.statusCode, 404); // The client has no name for an unknown module.
  });
});

await check(8, async () => {
  const { responseBody } = await registry.list();
  assert.ok(responseBody.some((device) => device.deviceId === `${run}one`));
  assert.ok(responseBody.length <= 1000);
});

await check(9, async () => {
  const devices = ['b1', 'b2'].map((name) => ({ deviceId: run + name }));
  devices.forEach((device) => made.add(device.deviceId));
  assert.equal((await registry.addDevices(devices)).responseBody.isSuccessful, true);
  const disabled = devices.map((device) => ({ ...device, status: 'disabled' }));
  assert.equal((await registry.updateDevices(disabled, true)).responseBody.isSuccessful, true);
  assert.equal((await get(`${run}b1`)).status, 'disabled');
  const current = [await get(`${run}b1`), await get(`${run}b2`)];
  assert.equal((await registry.updateDevices(current.map((d) => ({ ...d, status: 'enabled' })), false)).responseBody.isSuccessful, true);
  assert.equal((await registry.removeDevices([{ deviceId: `${run}b2` }], true)).responseBody.isSuccessful, true);
  await rejects(registry.get(`${run}b2`), 'DeviceNotFoundError', 404);
});

await check(10, async () => {
  made.add(`${run}b3`);
  const { responseBody } = await registry.addDevices([{ deviceId: `${run}b3` }, { deviceId: `${run}one` }]);
  assert.equal(responseBody.isSuccessful, false);
  assert.deepEqual(responseBody.errors.map((e) => [e.deviceId, e.errorCode]), [[`${run}one`, 409001]]);
  const error = await rejects(registry.addDevices([{ deviceId: `${run}one` }]), 'ArgumentError', 400);
  assert.equal(JSON.parse(error.responseBody).errors[0].errorCode, 409001);
});

await check(11, async () => {
  const error = await rejects(registry.addDevices([{ deviceId: `${run}t` }, { deviceId: `${run}t` }]), 'ArgumentError', 400);
  assert.deepEqual(JSON.parse(error.responseBody).errors.map((e) => e.errorCode), [400011]);
});

await check(12, async () => {
  const first = await get(`${run}empty`);
  await registry.delete(`${run}empty`);
  const second = await add({ deviceId: `${run}empty` });
  assert.notEqual(first.generationId, second.generationId);
  assert.notEqual(keys(first).primaryKey, keys(second).primaryKey);
});

await check(13, async () => {
  const { httpResponse: response, responseBody } = await registry.delete(`${run}nulls`);
  made.delete(`${run}nulls`);
  assert.equal(response.statusCode, 204);
  assert.ok(!responseBody);
});

if (process.env.NAVE_REGISTRY_READ) {
  await check(32, async () => {
    const reader = Registry.fromConnectionString(process.env.NAVE_REGISTRY_READ);
    assert.equal((await reader.get(`${run}one`)).responseBody.deviceId, `${run}one`);
    await rejects(reader.create({ deviceId: `${run}no` }), 'UnauthorizedError', 401);
    await rejects(reader.getTwin(`${run}one`), 'UnauthorizedError', 401);
  });
}

await check(33, async () => {
  const wrong = iot.replace(/SharedAccessKey=.*$/, `SharedAccessKey=${Buffer.alloc(32, 1).toString('base64')}`);
  const error = await rejects(Registry.fromConnectionString(wrong).get(`${run}one`), 'UnauthorizedError', 401);
  assert.equal(error.response.headers['iothub-errorcode'], 'IotHubUnauthorizedAccess');
  const { SharedAccessSignature } = require('azure-iot-common');
  const expired = SharedAccessSignature.create(host, field(iot, 'SharedAccessKeyName'), field(iot, 'SharedAccessKey'), 1000000000);
  await rejects(Registry.fromSharedAccessSignature(expired.toString()).get(`${run}one`), 'UnauthorizedError', 401);
});

for (const id of made) await registry.delete(id).catch(() => {});
await finish();
