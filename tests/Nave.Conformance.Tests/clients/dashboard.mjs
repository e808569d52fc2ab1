// The dashboard's own script, as the hub serves it, run against the hub with as much of a document as it needs: row 22 of
// heartbeat-monitoring.md.
//   NAVE_OPERATOR  the operator port, such as http://127.0.0.1:8444
//   NAVE_OPERATOR_TOKEN
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { require, iot, check, finish, field, sleep } from './harness.mjs';

const { Registry } = require('azure-iothub');
const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const root = `${process.env.NAVE_OPERATOR}/$nave/v1/`;
const authorization = `Bearer ${process.env.NAVE_OPERATOR_TOKEN}`;

class Element {
  textContent = '';
  value = '';
  children = [];
  hidden = false;
  addEventListener(kind, listener) { this[kind] = listener; }
  replaceChildren(...children) { this.children = children; }
  prepend(child) { this.children.unshift(child); }
  get lastElementChild() { const { children } = this; return { remove() { children.pop(); } }; }
  get cells() { return this.children.map((line) => line.children.map((cell) => cell.textContent)); }
}
const elements = new Map();
globalThis.location = { href: `${root}dashboard/` };
const stored = new Map([['nave-operator', 'stale']]);
globalThis.sessionStorage = {
  getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value), removeItem: (key) => stored.delete(key),
};
globalThis.document = {
  getElementById: (id) => elements.get(id) ?? elements.set(id, new Element()).get(id),
  createElement: () => new Element(),
};
const shown = (id) => elements.get(id);
// What the script starts, and a hub that is away for a while.
const ticks = [];
let streams = 0;
let isAway = false;
const { fetch: realFetch, setInterval: realInterval } = globalThis;
globalThis.setInterval = (tick, after, ...rest) => (after === 10_000 ? ticks.push(tick) : realInterval(tick, after, ...rest));
globalThis.fetch = (url, ...rest) => {
  if (isAway) return Promise.reject(new Error('away'));
  if (`${url}`.endsWith('heartbeats/stream')) streams++;
  return realFetch(url, ...rest);
};
const api = async (path) => (await fetch(root + path, { headers: { authorization } })).json();

await check(22, async () => {
  // Served without a credential, with nothing in it, from nowhere else.
  const page = await fetch(`${root}dashboard/`);
  const text = await page.text();
  const files = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]);
  assert.deepEqual(files.sort(), ['dashboard.css', 'dashboard.js']);
  const script = await (await fetch(`${root}dashboard/dashboard.js`)).text();
  const style = await (await fetch(`${root}dashboard/dashboard.css`)).text();
  for (const served of [text, script, style]) assert.ok(!/https?:\/\/|url\(|@import|<script>|style=/.test(served));
  assert.match(page.headers.get('content-security-policy'), /^default-src 'none'; script-src 'self';/);
  assert.equal((await fetch(`${root}heartbeats/summary`)).status, 401);
  for (const id of text.matchAll(/id="([^"]+)"/g)) document.getElementById(id[1]);
  const known = new Set(elements.keys());

  // A wrong token shows nothing; the right one the API's figures.
  await import(`data:text/javascript;base64,${Buffer.from(script).toString('base64')}`);
  const enter = async (token) => {
    shown('token').value = token;
    shown('enter').submit({ preventDefault() {} });
  };
  shown('figures').hidden = true;
  while (stored.size > 0) await sleep(20); // What this tab remembered is not the token of this hub.
  shown('problem').textContent = '';
  await enter('wrong');
  while (shown('problem').textContent === '') await sleep(20);
  assert.ok(shown('figures').hidden);
  const registry = Registry.fromConnectionString(iot);
  const { responseBody } = await registry.create({ deviceId: 'beating' });
  await registry.create({ deviceId: 'quiet' });
  await enter(process.env.NAVE_OPERATOR_TOKEN);
  while (shown('figures').hidden) await sleep(20);
  assert.deepEqual([...stored.values()], [process.env.NAVE_OPERATOR_TOKEN]);

  // Entered again, it is shown again, by what runs already.
  shown('enter').hidden = false;
  await enter(process.env.NAVE_OPERATOR_TOKEN);
  while (!shown('enter').hidden) await sleep(20);
  assert.deepEqual([ticks.length, streams], [1, 1]);

  // A hub that is away is a problem for as long as it is away.
  isAway = true;
  ticks[0]();
  while (shown('problem').textContent === '') await sleep(20);
  isAway = false;
  ticks[0]();
  while (shown('problem').textContent !== '' || !shown('enter').hidden) await sleep(20);
  const summary = await api('heartbeats/summary');
  assert.equal(shown('devices').textContent, `${summary.devices}`);
  assert.equal(summary.devices, 2);
  assert.deepEqual(shown('states').cells, Object.entries(summary.states).map(([state, count]) => [state, `${count}`]));

  // And as it happens.
  const client = Client.fromConnectionString(
    `HostName=${field(iot, 'HostName')};DeviceId=beating;SharedAccessKey=${responseBody.authentication.symmetricKey.primaryKey}`, Mqtt);
  await client.setOptions({ ca: fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8') });
  await client.open();
  while (shown('events').children.length === 0) {
    await client.sendEvent(new Message('x'));
    await sleep(100);
  }
  assert.deepEqual(shown('events').cells[0].slice(1), ['transition', 'beating', 'online', 'heard']);
  while (!shown('states').cells.some(([state, count]) => state === 'online' && count === '1')) await sleep(50);
  while (!shown('connected').cells.some(([protocol, count]) => protocol === 'Mqtt' && count === '1')) await sleep(50);
  await client.close();
  assert.deepEqual([...elements.keys()].filter((id) => !known.has(id)), []); // The script uses what the page has.
});

finish();
process.exit();
