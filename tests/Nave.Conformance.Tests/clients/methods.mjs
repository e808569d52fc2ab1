// Direct methods, and twins over AMQP, with the vendors' SDKs: azure-iothub calls, azure-iot-device and its module client
// answer over each transport that can.
//   methods.mjs [connection.json]     or NAVE_CONNECTION; needs NODE_EXTRA_CA_CERTS
// Makes its own devices with the iothubowner policy. Prints one JSON line per checked row.
import fs from 'node:fs';
import { randomBytes } from 'node:crypto';
import { require, sleep } from './harness.mjs';

const hub = JSON.parse(fs.readFileSync(process.argv[2] ?? process.env.NAVE_CONNECTION, 'utf8'));
const { Client: Service, Registry } = require('azure-iothub');
const { Client, ModuleClient } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');

const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');
const run = randomBytes(3).toString('hex');
const registry = Registry.fromConnectionString(hub.policies.iothubowner);
const service = Service.fromConnectionString(hub.policies.service);
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

async function createModule(device, name) {
  const { responseBody } = await registry.addModule({ deviceId: device.deviceId, moduleId: name });
  const key = responseBody.authentication.symmetricKey.primaryKey;
  return `HostName=${hub.hostName};DeviceId=${device.deviceId};ModuleId=${name};SharedAccessKey=${key}`;
}

async function open(type, text, transport) {
  const client = type.fromConnectionString(text, transport);
  await client.setOptions({ ca });
  client.on('error', () => {});
  await client.open();
  return client;
}

/** The call's outcome as {status, payload}, or the HTTP answer that it failed with. */
async function invoke(deviceId, ...rest) {
  const answer = await service.invokeDeviceMethod(deviceId, ...rest);
  return answer.result;
}

async function refusal(deviceId, params) {
  const began = Date.now();
  try {
    await service.invokeDeviceMethod(deviceId, params);
  } catch (error) {
    const body = error.responseBody ? JSON.parse(error.responseBody) : undefined;
    return { error, took: Date.now() - began, status: error.response?.statusCode, header: error.response?.headers?.['iothub-errorcode'], body };
  }
  throw new Error('it was not refused');
}

/** Registers a handler and answers with what it returns; methods are on when it is resolved. */
const seen = [];
function handle(client, name, answer, register = 'onDeviceMethod') {
  client[register](name, (request, response) => {
    seen.push({ name, payload: request.payload });
    const [status, payload] = answer(request.payload);
    response.send(status, payload).catch(() => {});
  });
}

const transports = { Mqtt, MqttWs, Amqp, AmqpWs };
for (const [name, transport] of Object.entries(transports)) {
  await check(`transport ${name}`, [1], async () => {
    const device = await createDevice(`method-${name}`);
    const client = await open(Client, device.text, transport);
    handle(client, 'echo', (payload) => [200, { got: payload }]);
    handle(client, 'fails', () => [500, 'no']);
    handle(client, 'silent-payload', () => [204, undefined]);
    expect(await invoke(device.deviceId, { methodName: 'echo', payload: { delay: 5, 'ü': ['é', null] }, connectTimeoutInSeconds: 30 }),
      { status: 200, payload: { got: { delay: 5, 'ü': ['é', null] } } }, 'echo');
    // No payload is null, not an empty body: on that the SDK would answer 400 by itself.
    expect(await invoke(device.deviceId, { methodName: 'echo' }), { status: 200, payload: { got: null } }, 'no payload');
    // The device's status is the answer's business, never the request's.
    expect(await invoke(device.deviceId, { methodName: 'fails' }), { status: 500, payload: 'no' }, 'status 500');
    expect(await invoke(device.deviceId, { methodName: 'silent-payload' }), { status: 204, payload: null }, 'no payload back');
    // Ten at once, each its own answer.
    const many = await Promise.all(Array.from({ length: 10 }, (_, i) => invoke(device.deviceId, { methodName: 'echo', payload: i })));
    expect(many.map((one) => one.payload.got), Array.from({ length: 10 }, (_, i) => i), 'ten calls');
    const large = 'x'.repeat(100_000);
    expect((await invoke(device.deviceId, { methodName: 'echo', payload: large })).payload.got.length, large.length, '100 KB both ways');
    await client.close();
    const away = await refusal(device.deviceId, { methodName: 'echo' });
    expect([away.status, away.header], [404, 'DeviceNotOnline'], 'after close');
  });
  await check(`module ${name}`, [1], async () => {
    const device = await createDevice(`module-${name}`);
    const client = await open(ModuleClient, await createModule(device, 'mod'), transport);
    handle(client, 'ping', (payload) => [201, { pong: payload }], 'onMethod');
    expect(await invoke(device.deviceId, 'mod', { methodName: 'ping', payload: 7, connectTimeoutInSeconds: 30 }), { status: 201, payload: { pong: 7 } }, 'module');
    const device404 = await refusal(device.deviceId, { methodName: 'ping' });
    expect(device404.header, 'DeviceNotOnline', 'the device beside its module');
    await client.close();
  });
}

await check('service-rest', [20], async () => {
  const device = await createDevice('offline');
  const { error, took, status, header, body } = await refusal(device.deviceId, { methodName: 'm' });
  const inner = JSON.parse(body.Message);
  expect([status, header, inner.errorCode, inner.info.timeout, body.ExceptionMessage], [404, 'DeviceNotOnline', 404103, '00:00:00', ''], 'offline');
  if (took > 1000 || !(error instanceof Error)) throw new Error(`took ${took} ms`);
});
await check('service-rest', [21], async () => {
  const { error, status } = await refusal(`nobody-${run}`, { methodName: 'm' });
  expect([error.name, status], ['DeviceNotFoundError', 404], 'unknown');
});
await check('service-rest', [22], async () => {
  const device = await createDevice('silent');
  const client = await open(Client, device.text, Mqtt);
  handle(client, 'registered', () => [200, null]);
  await invoke(device.deviceId, { methodName: 'registered', connectTimeoutInSeconds: 30 });
  // Node has no handler for it and says nothing, ever (sdk-gotchas 7 is this row, too).
  const { error, took, status, header, body } = await refusal(device.deviceId, { methodName: 'nobody-home', responseTimeoutInSeconds: 5 });
  expect([status, header, JSON.parse(body.Message).errorCode], [504, 'GatewayTimeout', 504101], `silent: ${error}`);
  if (took < 4000 || took > 5000) throw new Error(`took ${took} ms`);
  expect((await invoke(device.deviceId, { methodName: 'registered' })).status, 200, 'the connection is intact');
  await client.close();
});
await check('service-rest', [23], async () => {
  const device = await createDevice('angry');
  const client = await open(Client, device.text, Amqp);
  handle(client, 'm', () => [500, { why: 'because' }]);
  const answer = await service.invokeDeviceMethod(device.deviceId, { methodName: 'm', connectTimeoutInSeconds: 30 });
  expect([answer.message.statusCode, answer.result.status, answer.result.payload], [200, 500, { why: 'because' }], 'status 500');
  await client.close();
});
await check('device-mqtt', [28], async () => {
  const device = await createDevice('deaf');
  const client = await open(Client, device.text, Mqtt);
  const { status, body } = await refusal(device.deviceId, { methodName: 'm' });
  expect([status, JSON.parse(body.Message).errorCode], [404, 404103], 'connected, no subscription');
  await client.close();
});
await check('sdk-gotchas', [6], async () => {
  expect(seen.filter((one) => one.name === 'echo' && one.payload === null).length >= 4, true, 'payload null reached a handler over each transport');
});
await check('sdk-gotchas', [7], async () => {
  const device = await createDevice('gotcha7');
  const client = await open(Client, device.text, AmqpWs);
  handle(client, 'known', () => [200, 1]);
  await invoke(device.deviceId, { methodName: 'known', connectTimeoutInSeconds: 30 });
  const { status } = await refusal(device.deviceId, { methodName: 'unknown', responseTimeoutInSeconds: 5 });
  expect(status, 504, 'not registered');
  expect((await invoke(device.deviceId, { methodName: 'known' })).status, 200, 'intact');
  await client.close();
});
await check('connect timeout', [1], async () => {
  const device = await createDevice('late');
  const call = invoke(device.deviceId, { methodName: 'm', connectTimeoutInSeconds: 60, responseTimeoutInSeconds: 30 });
  await sleep(1000);
  const client = await open(Client, device.text, MqttWs);
  handle(client, 'm', () => [200, 'here']);
  expect(await call, { status: 200, payload: 'here' }, 'a device that came late');
  await client.close();
});

// ---- twins over AMQP --------------------------------------------------------------------------------------------------

const getTwin = (client) => new Promise((resolve, reject) => { client.getTwin((error, twin) => (error ? reject(error) : resolve(twin))); });
const report = (twin, patch) => new Promise((resolve, reject) => { twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve())); });

for (const [name, transport] of Object.entries({ Amqp, AmqpWs })) {
  for (const kind of ['device', 'module']) {
    await check(`twin ${kind} ${name}`, [1], async () => {
      const device = await createDevice(`twin-${kind}-${name}`);
      const isModule = kind === 'module';
      const client = await open(isModule ? ModuleClient : Client, isModule ? await createModule(device, 'mod') : device.text, transport);
      const update = (desired) => (isModule
        ? registry.updateModuleTwin(device.deviceId, 'mod', { properties: { desired } }, '*')
        : registry.updateTwin(device.deviceId, { properties: { desired } }, '*'));
      const read = async () => (isModule ? await registry.getModuleTwin(device.deviceId, 'mod') : await registry.getTwin(device.deviceId)).responseBody;
      await update({ mode: 'eco', gone: 1 });
      const twin = await getTwin(client);
      expect([twin.properties.desired.mode, twin.properties.desired.$version, twin.properties.reported.$version], ['eco', 2, 1], 'read');
      await report(twin, { battery: 55, nested: { a: 1, b: 2 } });
      await report(twin, { nested: { b: null } });
      expect((await read()).properties.reported.nested.a, 1, 'reported');
      expect('b' in (await read()).properties.reported.nested, false, 'null removes');
      const changes = [];
      twin.on('properties.desired', (delta) => { changes.push(delta); });
      // The first call is what is there now; then the SDK asks for changes.
      for (let i = 0; i < 100 && changes.length < 1; i++) await sleep(20);
      await sleep(500);
      await update({ mode: 'fast', gone: null });
      for (let i = 0; i < 500 && changes.length < 2; i++) await sleep(20);
      expect(changes[1], { mode: 'fast', gone: null, $version: 3 }, 'a change');
      let refused;
      try { await report(twin, { 'a b': 1 }); } catch (error) { refused = error; }
      if (!(refused instanceof Error)) throw new Error('a bad key was not refused');
      await client.close();
    });
  }
}

await service.close();
process.exit(failed === 0 ? 0 : 1);
