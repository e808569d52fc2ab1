// Quotas and throttles through the unmodified Node SDKs (spec/messaging-semantics.md 3): what a device and a back end see.
//   NAVE_IOT   HostName=...;SharedAccessKeyName=iothubowner;SharedAccessKey=...
//   NAVE_PART  tier: the hub has the tier S1; rates: small rates and no delay; shaped: 4 sends a second; day: 12 messages a day
// Prints one JSON line per checked row, with the file of the specification.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { require, iot, field, sleep } from './harness.mjs';

const { Client, Message } = require('azure-iot-device');
const { Registry, Client: ServiceClient } = require('azure-iothub');
const registry = Registry.fromConnectionString(iot);
const host = field(iot, 'HostName');
const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');
const protocols = {
  Mqtt: require('azure-iot-device-mqtt').Mqtt,
  Amqp: require('azure-iot-device-amqp').Amqp,
  Http: require('azure-iot-device-http').Http,
};
// The SDK's own policy tries for minutes: here the first answer counts.
const noRetry = { shouldRetry: () => false, nextRetryTimeout: () => 0 };
let failed = 0;

async function check(spec, row, body) {
  let why = '';
  try {
    await body();
  } catch (error) {
    why = String(error?.stack ?? error);
    failed += 1;
  }
  console.log(JSON.stringify({ spec, row, ok: why === '', why }));
}

async function open(name, transport, retry = false) {
  const { responseBody } = await registry.create({ deviceId: name });
  const client = Client.fromConnectionString(
    `HostName=${host};DeviceId=${name};SharedAccessKey=${responseBody.authentication.symmetricKey.primaryKey}`, protocols[transport]);
  if (transport !== 'Http') await client.setOptions({ ca }); // Over HTTP it never completes without options of its own.
  if (!retry) client.setRetryPolicy(noRetry);
  client.on('error', () => {});
  await client.open();
  return client;
}

const outcome = (promise) => promise.then(() => null, (error) => error);

/** Sends until something is refused, so many at the most. */
async function sendUntilRefused(client, most) {
  for (let i = 0; i < most; i += 1) {
    const error = await outcome(client.sendEvent(new Message(`${i}`)));
    if (error) return { sent: i, error };
  }
  throw new Error(`${most} messages were taken`);
}

const parts = {
  // A hundred at once, what ten seconds hold late, the rest refused.
  async tier() {
    await registry.create({ deviceId: 'reg' });
    const begun = Date.now();
    const answers = await Promise.all(Array.from({ length: 150 }, () => outcome(registry.get('reg'))));
    const took = Date.now() - begun;
    const refused = answers.filter((error) => error);
    await check('messaging-semantics', 18, () => {
      const passed = answers.length - refused.length;
      assert.ok(passed >= 99 && passed <= 130, `${passed} passed`);
      assert.ok(took > 5000, `nothing waited: ${took} ms`);
      for (const error of refused) {
        assert.equal(error.response.headers['iothub-errorcode'], 'ThrottlingException');
        assert.match(JSON.parse(error.responseBody).Message, /identity registry operations is 100\/min/);
      }
    });
    await check('service-rest', 34, () => {
      for (const error of refused) {
        assert.equal(error.name, 'ThrottlingError');
        assert.equal(error.response.statusCode, 429);
        assert.ok(Number(error.response.headers['retry-after']) >= 1);
      }
    });
  },

  // Two sends a minute for all devices; what is over it is refused as each transport can.
  async rates() {
    const [amqp, mqtt, http] = [await open('amqp', 'Amqp'), await open('mqtt', 'Mqtt'), await open('http', 'Http')];
    await check('device-http', 16, async () => {
      assert.equal(await outcome(http.sendEvent(new Message('one'))), null);
      assert.equal(await outcome(amqp.sendEvent(new Message('two'))), null);
      const error = await outcome(http.sendEvent(new Message('three')));
      assert.equal(error.response.statusCode, 429);
      assert.equal(error.response.headers['iothub-errorcode'], 'ThrottlingException');
      const seconds = Number(error.response.headers['retry-after']);
      assert.ok(seconds >= 1 && seconds <= 60, `Retry-After: ${seconds}`);
    });
    await check('amqp', 1, async () => {
      assert.equal((await outcome(amqp.sendEvent(new Message('four')))).name, 'ThrottlingError');
      assert.equal((await outcome(amqp.sendEvent(new Message('five')))).name, 'ThrottlingError'); // The link is still there.
    });
    await check('mqtt', 1, async () => {
      const gone = new Promise((resolve) => { mqtt.on('disconnect', resolve); });
      const error = await outcome(Promise.race([mqtt.sendEvent(new Message('six')), sleep(20000).then(() => { throw new Error('no outcome'); })]));
      assert.ok(error, 'a message over the rate was acknowledged');
      assert.notEqual(error.message, 'no outcome');
      await Promise.race([gone, sleep(10000).then(() => { throw new Error('still connected'); })]);
    });
    await check('twin', 1, async () => {
      const client = await open('twin', 'Mqtt');
      await client.getTwin();
      const error = await outcome(client.getTwin().then((twin) => new Promise((resolve, reject) => { twin.get((failure) => (failure ? reject(failure) : resolve())); })));
      assert.match(error?.message ?? 'answered', /limit of twin reads is 1\/min/); // A plain Error: the SDK reads no code here.
    });
    await check('commands', 1, async () => {
      const service = ServiceClient.fromConnectionString(iot);
      service.setRetryPolicy(noRetry);
      await service.open();
      assert.equal(await outcome(service.send('http', 'a')), null);
      assert.equal((await outcome(service.send('http', 'b'))).name, 'ThrottlingError');
      await service.close();
    });
  },

  // Ten sends at four a second: all are taken, the last ones late, over both transports that can wait.
  async shaped() {
    for (const transport of ['Mqtt', 'Amqp']) {
      await check(transport, 1, async () => {
        const client = await open(`shaped-${transport}`, transport, true);
        await sleep(1500); // The bucket is full again.
        const begun = Date.now();
        const taken = await Promise.all(Array.from({ length: 10 }, async (_, i) => {
          await client.sendEvent(new Message(`${transport}-${i}`));
          return Date.now() - begun;
        }));
        assert.ok(taken[3] < 1000, `the burst took ${taken[3]} ms`);
        assert.ok(taken[9] > 1200 && taken[9] < 8000, `the tenth was taken after ${taken[9]} ms`);
        await client.close();
      });
    }
  },

  // Twelve messages a day: sends end with 403002, registry calls go on.
  async day() {
    const clients = { Amqp: await open('amqp', 'Amqp'), Http: await open('http', 'Http'), Mqtt: await open('mqtt', 'Mqtt') };
    await check('messaging-semantics', 17, async () => {
      await clients.Amqp.sendEvent(new Message('x'.repeat(6 * 1024))); // 2
      await clients.Mqtt.sendEvent(new Message('')); // 1
      await clients.Http.sendEvent(new Message('y'.repeat(6 * 1024))); // 2
    });
    await check('messaging-semantics', 16, async () => {
      const { sent, error } = await sendUntilRefused(clients.Amqp, 20);
      assert.equal(sent, 7);
      assert.equal(error.name, 'IotHubQuotaExceededError');
      const overHttp = await outcome(clients.Http.sendEvent(new Message('z')));
      assert.equal(overHttp.name, 'IotHubQuotaExceededError');
      assert.equal(overHttp.response.headers['iothub-errorcode'], 'IotHubQuotaExceeded');
      const gone = new Promise((resolve) => { clients.Mqtt.on('disconnect', resolve); });
      assert.ok(await outcome(Promise.race([clients.Mqtt.sendEvent(new Message('z')), sleep(20000).then(() => { throw new Error('no outcome'); })])));
      await Promise.race([gone, sleep(10000).then(() => { throw new Error('still connected'); })]);
      const service = ServiceClient.fromConnectionString(iot);
      service.setRetryPolicy(noRetry);
      await service.open();
      assert.equal((await outcome(service.send('http', 'a'))).name, 'IotHubQuotaExceededError');
      await service.close();
      assert.equal((await registry.get('http')).responseBody.deviceId, 'http');
      assert.equal((await registry.create({ deviceId: 'new' })).responseBody.deviceId, 'new');
    });
  },
};

await parts[process.env.NAVE_PART]();
process.exit(failed === 0 ? 0 : 1);
