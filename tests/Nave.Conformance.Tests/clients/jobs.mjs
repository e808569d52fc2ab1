// Jobs with the unmodified Node service SDK (spec/service-rest.md 9): twin updates and methods over a query's devices,
// progress, cancel, list, rows of devices.jobs.
//   NAVE_IOT      HostName=...;SharedAccessKeyName=...;SharedAccessKey=...
// Prints one JSON line per checked row of spec/service-rest.md.
import fs from 'node:fs';
import { check, finish, iot, require, sleep } from './harness.mjs';

const { JobClient, Registry } = require('azure-iothub');
const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const registry = Registry.fromConnectionString(iot);
const jobs = JobClient.fromConnectionString(iot);
const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');
const hostName = /HostName=([^;]*)/.exec(iot)[1];

const body = (result) => result.responseBody ?? result.jobStatus ?? result;
async function ended(id) {
  for (let i = 0; i < 200; i++) {
    const job = body(await jobs.getJob(id));
    if (['completed', 'failed', 'cancelled'].includes(job.status)) return job;
    await sleep(100);
  }
  throw new Error(`job ${id} did not end`);
}
function expect(actual, wanted, what) {
  if (JSON.stringify(actual) !== JSON.stringify(wanted)) throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(wanted)}`);
}

const keys = [];
for (let i = 0; i < 4; i++) {
  const { responseBody } = await registry.create({ deviceId: `job-${i}`, status: 'enabled' });
  keys.push(responseBody.authentication.symmetricKey.primaryKey);
  await registry.updateTwin(`job-${i}`, { tags: { site: i < 3 ? 'north' : 'south' } }, '*');
}

await check(26, async () => {
  const created = body(await jobs.scheduleTwinUpdate('wave-2', "tags.site = 'north'", { etag: '*', tags: { wave: 2 }, properties: { desired: { rate: 7 } } }, new Date(), 300));
  expect([created.jobId, created.type], ['wave-2', 'scheduleUpdateTwin'], 'created');
  const job = await ended('wave-2');
  expect([job.status, job.deviceJobStatistics.deviceCount, job.deviceJobStatistics.succeededCount], ['completed', 3, 3], 'the twin job');
  for (let i = 0; i < 4; i++) {
    const { responseBody: twin } = await registry.getTwin(`job-${i}`);
    expect([twin.tags.wave, twin.properties.desired.rate], i < 3 ? [2, 7] : [undefined, undefined], `twin of job-${i}`);
  }
  try {
    await jobs.scheduleTwinUpdate('wave-2', '*', { etag: '*', tags: { wave: 3 } }, new Date(), 300);
  } catch (error) {
    if (error.response?.statusCode === 409 || /JobAlreadyExists|409/.test(error.message + error.responseBody)) return undefined;
    return `the duplicate met ${error}`;
  }
  return 'a duplicate job id was accepted';
}, 60000);

await check(27, async () => {
  // A device that answers, two that are away: the job completes, with what became of each.
  const device = Client.fromConnectionString(`HostName=${hostName};DeviceId=job-0;SharedAccessKey=${keys[0]}`, Mqtt);
  await device.setOptions({ ca });
  await device.open();
  device.onDeviceMethod('reboot', (request, response) => response.send(request.payload.delay === 5 ? 200 : 400, { ok: true }, () => {}));
  await sleep(500);
  await jobs.scheduleDeviceMethod('reboot-all', "tags.site = 'north'", { methodName: 'reboot', payload: { delay: 5 }, responseTimeoutInSeconds: 10 }, new Date(), 300);
  const job = await ended('reboot-all');
  expect([job.status, job.type, job.deviceJobStatistics.succeededCount, job.deviceJobStatistics.failedCount], ['completed', 'scheduleDeviceMethod', 1, 2], 'the method job');
  await device.close();

  const rows = await registry.createQuery("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'reboot-all'").next();
  const byDevice = Object.fromEntries((rows.result ?? rows).map((row) => [row.deviceId, row]));
  expect(byDevice['job-0'].outcome, { deviceMethodResponse: { status: 200, payload: { ok: true } } }, 'outcome of job-0');
  expect([byDevice['job-0'].status, byDevice['job-1'].status, byDevice['job-1'].error.code, byDevice['job-1'].jobType],
    ['completed', 'failed', 'DeviceNotOnline', 'scheduleDeviceMethod'], 'device jobs');

  for (const type of ['scheduleDeviceMethod', 'ScheduleDeviceMethod']) {
    const page = await jobs.createQuery(type, 'Completed').next();
    const found = page.result ?? page;
    expect(found.map((one) => [one.jobId, one.type]), [['reboot-all', 'scheduleDeviceMethod']], `jobs of type ${type}`);
  }
  return undefined;
}, 60000);

await check(28, async () => {
  const later = new Date(Date.now() + 3600000);
  await jobs.scheduleTwinUpdate('later', '*', { etag: '*', tags: { never: true } }, later, 300);
  const cancelled = body(await jobs.cancelJob('later'));
  expect([cancelled.status, body(await jobs.getJob('later')).status], ['cancelled', 'cancelled'], 'the cancelled job');
  return undefined;
}, 30000);

await finish();
