// Queries through azure-iothub: pages of twins, projections, aggregates, refusals.
//   NAVE_IOT      HostName=...;SharedAccessKeyName=...;SharedAccessKey=...
// Prints one JSON line per checked row.
import assert from 'node:assert';
import { iot, require } from './harness.mjs';

const { Registry } = require('azure-iothub');
const registry = Registry.fromConnectionString(iot);

let failed = 0;
async function row(spec, rows, body) {
  let why;
  try { await body(); } catch (error) { why = error?.stack ?? error; }
  for (const number of [].concat(rows)) {
    failed += why === undefined ? 0 : 1;
    console.log(JSON.stringify({ spec, row: number, ok: why === undefined, why: why === undefined ? '' : String(why) }));
  }
}

// The promise form of next() goes on only when it is given the token.
async function all(text, pageSize) {
  const query = registry.createQuery(text, pageSize);
  const pages = [];
  while (query.hasMoreResults) {
    const { result, message } = await query.next(query.continuationToken);
    pages.push({ rows: result, type: message.headers['x-ms-item-type'], continuation: message.headers['x-ms-continuation'] });
  }
  return pages;
}
const rowsOf = async (text, pageSize) => (await all(text, pageSize)).flatMap((page) => page.rows);
const idsOf = async (text) => (await rowsOf(text)).map((one) => (one.moduleId ? `${one.deviceId}/${one.moduleId}` : one.deviceId));

// 250 devices: at two sites, with a number each.
for (let first = 0; first < 250; first += 50) {
  await registry.addDevices(Array.from({ length: 50 }, (_, i) => ({
    deviceId: `d-${String(first + i).padStart(3, '0')}`, status: 'enabled',
  })));
}
await registry.updateTwin('d-000', { tags: { site: 'north', n: 5, 'floor-2': { room: 'B' } }, properties: { desired: { rate: 1 } } }, '*');
await registry.updateTwin('d-001', { tags: { site: 'north', n: '5' } }, '*');
await registry.updateTwin('d-002', { tags: { site: 'south', n: 6 } }, '*');
await registry.addModule({ deviceId: 'd-000', moduleId: 'm1' });

await row('query-language', [15], async () => {
  const pages = await all('SELECT * FROM devices', 100);
  assert.deepStrictEqual(pages.map((page) => page.rows.length), [100, 100, 50]);
  assert.strictEqual(new Set(pages.flatMap((page) => page.rows.map((twin) => twin.deviceId))).size, 250);
});
await row('service-rest', [24], async () => {
  const pages = await all('SELECT * FROM devices', 200);
  assert.ok(pages.every((page) => page.type === 'Twin'));
  assert.ok(pages[0].continuation && pages[1].continuation === undefined);
  const query = registry.createQuery("SELECT * FROM devices WHERE tags.site = 'north'", 1);
  const { result } = await query.nextAsTwin();
  assert.strictEqual(result[0].deviceId, 'd-000');
  assert.strictEqual(result[0].tags.site, 'north');
  assert.strictEqual(result[0].properties.desired.rate, 1);
  assert.strictEqual(typeof result[0].update, 'function');
});
await row('service-rest', [25], async () => {
  const [page] = await all("SELECT deviceId FROM devices WHERE tags.site = 'north'");
  assert.strictEqual(page.type, 'Raw');
  assert.deepStrictEqual(page.rows, [{ deviceId: 'd-000' }, { deviceId: 'd-001' }]);
});
await row('query-language', [2], async () => {
  assert.deepStrictEqual(await idsOf("select *\n\tfrom devices wHeRe tags.site\t= 'south'"), ['d-002']);
});
await row('query-language', [3, 29], async () => {
  const pad = (length) => { const begin = "SELECT * FROM devices WHERE tags.site = '"; return `${begin}${'x'.repeat(length - begin.length - 1)}'`; };
  assert.deepStrictEqual(await idsOf(pad(8192)), []);
  for (const text of [pad(8193), 'SELECT * FROM devices ORDER BY deviceId', 'SELECT DISTINCT tags.site FROM devices', 'SELECT * FROM devices JOIN tags.a']) {
    await assert.rejects(all(text), (error) => error.name === 'ArgumentError' && /The query is invalid/.test(error.responseBody));
  }
});
await row('query-language', [4, 5, 6, 7], async () => {
  assert.deepStrictEqual(await rowsOf("SELECT DeviceId FROM devices WHERE tags.n = 5"), [{ deviceId: 'd-000' }]);
  assert.deepStrictEqual(await idsOf("SELECT * FROM devices WHERE tags.Site = 'north'"), []);
  assert.deepStrictEqual(await idsOf("SELECT * FROM devices WHERE tags.n = '5'"), ['d-001']);
  assert.deepStrictEqual(await idsOf('SELECT * FROM devices WHERE tags.nope != 5 OR tags.nope NIN [5] OR tags.nope < 5'), []);
  assert.strictEqual((await idsOf('SELECT * FROM devices WHERE NOT is_defined(tags.n)')).length, 247);
});
await row('query-language', [9, 10], async () => {
  assert.deepStrictEqual(await rowsOf("SELECT COUNT() AS n FROM devices WHERE tags.site = 'none'"), [{ n: 0 }]);
  assert.deepStrictEqual(await rowsOf('SELECT AVG(tags.n) AS a, COUNT() AS c FROM devices WHERE is_defined(tags.n)'), [{ a: 5.5, c: 3 }]);
  const groups = await rowsOf('SELECT COUNT() AS c, tags.site FROM devices GROUP BY tags.site');
  assert.deepStrictEqual(groups.map((g) => `${g.site} ${g.c}`).sort(), ['north 2', 'south 1', 'undefined 247']);
  await assert.rejects(all('SELECT tags.n FROM devices GROUP BY tags.site'), { name: 'ArgumentError' });
});
await row('query-language', [11, 12], async () => {
  assert.strictEqual((await idsOf("SELECT * FROM devices WHERE STARTSWITH(deviceId, 'd-00')")).length, 10);
  await assert.rejects(all("SELECT * FROM devices WHERE STARTS_WITH(deviceId, 'd')"), { name: 'ArgumentError' });
  assert.deepStrictEqual(await rowsOf("SELECT tags.[[floor-2]].room FROM devices WHERE tags.[[floor-2]].room = 'B'"), [{ room: 'B' }]);
});
await row('query-language', [13, 14], async () => {
  const pages = await all('SELECT TOP 3 * FROM devices', 2);
  assert.deepStrictEqual(pages.map((page) => page.rows.length), [2, 1]);
  await assert.rejects(all('SELECT deviceId FROM devices.jobs'), { name: 'ArgumentError' });
  const [jobs] = await all('SELECT * FROM devices.jobs');
  assert.strictEqual(jobs.type, 'DeviceJob');
  assert.deepStrictEqual(await idsOf("SELECT * FROM devices.modules WHERE moduleId = 'm1'"), ['d-000/m1']);
});
await row('query-language', [26, 30, 31], async () => {
  assert.strictEqual((await idsOf('SELECT * FROM devices WHERE true OR undefined')).length, 250);
  assert.deepStrictEqual(await idsOf('SELECT * FROM devices WHERE NOT undefined'), []);
  assert.deepStrictEqual(await idsOf('SELECT * FROM devices WHERE NOT tags.n = 5'), ['d-002']);
  assert.deepStrictEqual(await idsOf('SELECT * FROM devices WHERE tags.n + 26 = 0x1F'), ['d-000']);
});

process.exit(failed === 0 ? 0 : 1);
