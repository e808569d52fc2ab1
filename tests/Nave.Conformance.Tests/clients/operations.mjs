// Operations monitoring, and heartbeat events, read from outside with @azure/event-hubs: rows of messaging-semantics.md,
// and row 18 of heartbeat-monitoring.md, one JSON line each.
//   NAVE_LEVEL  what Operations:Connections is: "error" or "information"
import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import { require, iot, events, check, finish, sleep, field } from './harness.mjs';

const { EventHubConsumerClient } = require('@azure/event-hubs');
const { Registry, Client: Service } = require('azure-iothub');
const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Amqp } = require('azure-iot-device-amqp');
const { SharedAccessSignature } = require('azure-iot-common');

const registry = Registry.fromConnectionString(iot);
const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');
const host = field(iot, 'HostName');
const isVerbose = process.env.NAVE_LEVEL === 'information';
const wrongKey = Buffer.alloc(32).toString('base64');

function read(connectionString) {
  const seen = [];
  const reader = new EventHubConsumerClient('$Default', connectionString);
  const subscription = reader.subscribe(
    { processEvents: async (batch) => { seen.push(...batch); }, processError: async (error) => { console.error(error); } },
    { startPosition: { offset: '-1' } });
  return { seen, close: async () => { await subscription.close(); await reader.close(); } };
}
const operations = read(events.replace(/EntityPath=([^;]+)/, 'EntityPath=$1-operations'));
const of = (device) => operations.seen.map((e) => e.body).filter((body) => body.deviceId === device);
async function until(condition, what) {
  for (let i = 0; i < 600; i++) {
    if (condition()) return;
    await sleep(50);
  }
  throw new Error(`${what} did not come; seen: ${JSON.stringify(operations.seen.map((e) => e.body))}`);
}
async function create(deviceId, status = 'enabled') {
  const { responseBody } = await registry.create({ deviceId, status });
  return `HostName=${host};DeviceId=${deviceId};SharedAccessKey=${responseBody.authentication.symmetricKey.primaryKey}`;
}
async function open(connectionString) {
  const client = Client.fromConnectionString(connectionString, Mqtt);
  await client.setOptions({ ca });
  client.on('error', () => {});
  await client.open();
  return client;
}
async function refused(connectionString) {
  await assert.rejects(open(connectionString));
}
function isRefusedConnect(body) {
  assert.equal(body.category, 'Connections');
  assert.equal(body.operationName, 'deviceConnect');
  assert.equal(body.level, 'Error');
  assert.equal(body.statusCode, 401);
  assert.equal(body.statusType, 401003);
  assert.equal(body.protocol, 'Mqtt');
  assert.match(body.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/);
}

await check(24, async () => {
  const right = await create('wrong');
  await refused(right.replace(/SharedAccessKey=.*/, `SharedAccessKey=${wrongKey}`));
  await until(() => of('wrong').length > 0, 'the refused connect');
  await sleep(500);
  assert.equal(of('wrong').length, 1);
  isRefusedConnect(of('wrong')[0]);
});

await check(25, async () => {
  await refused(`HostName=${host};DeviceId=nobody;SharedAccessKey=${wrongKey}`);
  await refused(await create('disabled', 'disabled'));
  await until(() => of('nobody').length > 0 && of('disabled').length > 0, 'the refused connects');
  isRefusedConnect(of('nobody')[0]);
  isRefusedConnect(of('disabled')[0]);
  const descriptions = new Set([of('wrong')[0], of('nobody')[0], of('disabled')[0]].map((body) => body.statusDescription));
  assert.equal(descriptions.size, 3);
});

await check(26, async () => {
  const client = await open(await create('goer'));
  await client.sendEvent(new Message('x'));
  await client.close();
  await refused(`HostName=${host};DeviceId=marker;SharedAccessKey=${wrongKey}`); // What came before it has come.
  await until(() => of('marker').length > 0, 'the marker');
  const expected = isVerbose ? ['deviceConnect Information', 'deviceDisconnect Information'] : [];
  if (isVerbose) await until(() => of('goer').length >= 2, 'coming and going');
  assert.deepEqual(of('goer').map((body) => `${body.operationName} ${body.level}`), expected);
});

await check(27, async () => {
  // An identity that is there already.
  const device = await create('there');
  await assert.rejects(registry.create({ deviceId: 'there' }));
  await until(() => of('there').some((body) => body.level === 'Error'), 'the refused create');
  const conflict = of('there').find((body) => body.level === 'Error');
  assert.equal(conflict.category, 'DeviceIdentityOperations');
  assert.equal(conflict.operationName, 'create');
  assert.equal(conflict.statusCode, 409);
  assert.equal(conflict.sharedAccessPolicy, field(iot, 'SharedAccessKeyName'));
  assert.match(conflict.userAgent, /azure-iothub/);
  assert.ok(Number.isInteger(conflict.durationMs));

  // A command that nobody takes in time, and one that is given back for ever.
  const service = Service.fromConnectionString(iot);
  await service.open();
  const expiring = new Message('late');
  expiring.ack = 'full';
  expiring.expiryTimeUtc = Date.now() + 1000;
  await service.send('there', expiring);
  await until(() => of('there').some((body) => body.operationName === 'messageExpired'), 'the expired command');
  const expired = of('there').find((body) => body.operationName === 'messageExpired');
  assert.equal(expired.category, 'C2DCommands');
  assert.equal(expired.level, 'Error');
  assert.equal(expired.messageSizeInBytes, 4);
  assert.equal(expired.deliveryAcknowledgement, 3);
  await service.send('there', new Message('no'));
  await service.close();
  const client = Client.fromConnectionString(device, Amqp);
  await client.setOptions({ ca });
  client.on('error', () => {});
  await client.open();
  let returned = 0;
  client.on('message', (message) => { returned++; client.abandon(message, () => {}); });
  await until(() => of('there').some((body) => body.operationName === 'egress'), 'the command given back too often');
  assert.equal(of('there').find((body) => body.operationName === 'egress').category, 'C2DCommands');
  assert.ok(returned > 1);
  await client.close();
});

await check(24, async () => {
  // Over AMQP, too; and a message that is refused.
  const right = await create('wrong-amqp');
  const client = Client.fromConnectionString(right.replace(/SharedAccessKey=.*/, `SharedAccessKey=${wrongKey}`), Amqp);
  await client.setOptions({ ca });
  client.on('error', () => {});
  await assert.rejects(client.open());
  await until(() => of('wrong-amqp').length > 0, 'the refused connect over AMQP');
  const body = of('wrong-amqp')[0];
  assert.equal(body.operationName, 'deviceConnect');
  assert.equal(body.statusType, 401003);
  assert.equal(body.protocol, 'Amqp');
  assert.equal(JSON.parse(body.authType).type, 'sas');
  assert.ok(Number.isInteger(body.durationMs));
  const authorization = SharedAccessSignature.create(
    `${host}/devices/wrong-amqp`, null, field(right, 'SharedAccessKey'), Math.floor(Date.now() / 1000) + 600).toString();
  const status = await new Promise((resolve, reject) => {
    const request = https.request(
      { host, ca, method: 'POST', path: '/devices/wrong-amqp/messages/events?api-version=2021-04-12', headers: { authorization } },
      (answer) => { answer.resume(); resolve(answer.statusCode); });
    request.on('error', reject);
    request.end(Buffer.alloc(256 * 1024 + 1));
  });
  assert.equal(status, 413);
  await until(() => of('wrong-amqp').some((b) => b.category === 'DeviceTelemetry'), 'the refused message');
  const refusedMessage = of('wrong-amqp').find((b) => b.category === 'DeviceTelemetry');
  assert.equal(refusedMessage.operationName, 'ingress');
  assert.equal(refusedMessage.statusCode, 413);
  assert.equal(JSON.parse(refusedMessage.authType).scope, 'device');
});

await check(29, async () => {
  const device = await create('twice');
  const first = await open(device);
  first.removeAllListeners('disconnect');
  const cut = new Promise((resolve) => { first.on('disconnect', resolve); first.on('error', resolve); });
  const second = await open(device);
  await until(() => of('twice').some((body) => body.level === 'Error'), 'the taken place');
  const taken = of('twice').find((body) => body.level === 'Error');
  assert.equal(taken.category, 'Connections');
  assert.equal(taken.operationName, 'deviceDisconnect');
  assert.equal(taken.statusType, 400027);
  await Promise.race([cut, sleep(1000)]);
  await first.close().catch(() => {});
  await second.close().catch(() => {});
});

if (isVerbose) {
  await check(18, async () => {
    const telemetry = read(events);
    const client = await open(await create('beating'));
    const beat = new Message('');
    beat.properties.add('heartbeat', 'true');
    await client.sendEvent(beat);
    const isIts = (e, source) => e.systemProperties['iothub-message-source'] === source && e.systemProperties['iothub-connection-device-id'] === 'beating';
    await until(() => telemetry.seen.some((e) => isIts(e, 'deviceHeartbeatEvents')), 'the heartbeat event');
    const event = telemetry.seen.find((e) => isIts(e, 'deviceHeartbeatEvents'));
    assert.equal(event.body.deviceId, 'beating');
    assert.equal(event.body.state, 'online');
    assert.equal(event.body.previous, 'unknown');
    assert.equal(event.body.cause, 'heard');
    assert.equal(event.body.sequence, 1);
    assert.ok(!telemetry.seen.some((e) => isIts(e, 'Telemetry')));
    await client.close();
    await telemetry.close();
  });
}

await operations.close();
finish();
