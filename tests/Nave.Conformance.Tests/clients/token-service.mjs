// A device that only knows a password in a database table, on the unmodified Node device SDK: the token service gives it
// its tokens, by the provider of samples/token-device-node.
//   NAVE_IOT              HostName=...;SharedAccessKeyName=...;SharedAccessKey=...
//   NAVE_TOKENS           https://.../tokens
//   NAVE_TOKENS_PASSWORD  of the identity pump-7, which stands for the device token-dev
//   NAVE_TOKENS_SECRET    a generated one of the same
// Prints one JSON line per checked step.
import fs from 'node:fs';
import { check, finish, iot, require, sleep } from './harness.mjs';
import { TokenServiceProvider } from '../../../samples/token-device-node/token-provider.mjs';

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Registry } = require('azure-iothub');
const registry = Registry.fromConnectionString(iot);
const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8');
const url = process.env.NAVE_TOKENS;
const credential = { identity: 'pump-7', secret: process.env.NAVE_TOKENS_PASSWORD };
const generated = { identity: 'pump-7', secret: process.env.NAVE_TOKENS_SECRET };

const post = (body) => fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
const closing = (client) => new Promise((resolve) => { client.once('disconnect', () => resolve(Date.now())); });

async function open(client, retries) {
  await client.setOptions({ ca });
  if (!retries) client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => -1 });
  client.on('error', () => {});
  await client.open();
  return client;
}

// 1. A password in the table opens the hub, for the one device that it stands for.
await check(1, async () => {
  const provider = new TokenServiceProvider(url, credential);
  const client = await open(Client.fromAuthenticationProvider(provider, Mqtt), false);
  await client.sendEvent(new Message('by password'));
  await client.close();
  if (provider.issued.deviceId !== 'token-dev') return `the token is for ${provider.issued.deviceId}`;
  const other = Client.fromSharedAccessSignature(provider.issued.token.replace('token-dev', 'token-other'), Mqtt);
  const refused = await open(other, false).then(() => 'let in', (error) => error.name);
  if (refused !== 'UnauthorizedError') return `another device with the changed token: ${refused}`;
});

// 2. Without renewal the hub cuts the connection when the token expires.
await check(2, async () => {
  const issued = await (await post({ ...generated, lifetimeSeconds: 12 })).json();
  const client = await open(Client.fromSharedAccessSignature(issued.token, Mqtt), false);
  await client.sendEvent(new Message('until it expires'));
  const cut = closing(client);
  const after = (await cut) - Date.parse(issued.expiresAt);
  if (!(after > -500 && after < 3000)) return `cut ${after} ms after the expiry`;
});

// 3. With renewal the device goes on past the expiry of its first token, and needs its own credential for it.
await check(3, async () => {
  const provider = new TokenServiceProvider(url, generated, { lifetimeSeconds: 12 });
  const client = await open(Client.fromAuthenticationProvider(provider, Mqtt), true);
  const first = provider.issued;
  while (Date.now() < Date.parse(first.expiresAt) + 3000) {
    await client.sendEvent(new Message('still here'));
    await sleep(500);
  }
  await client.close();
  if (provider.issued.token === first.token) return 'the token was not renewed';
  const byToken = await fetch(url, { method: 'POST', headers: { authorization: first.token } });
  if (byToken.ok) return 'a token renewed itself';
}, 60000);

// 4. Disabled, the device is out at once, and no good credential or token helps.
await check(4, async () => {
  const provider = new TokenServiceProvider(url, generated);
  const client = await open(Client.fromAuthenticationProvider(provider, Mqtt), false);
  await client.sendEvent(new Message('before'));
  const cut = closing(client);
  const { responseBody } = await registry.get('token-dev');
  await registry.update({ ...responseBody, status: 'disabled' });
  const disabled = Date.now();
  const after = (await cut) - disabled;
  if (after > 2000) return `cut ${after} ms after it was disabled`;
  const issued = await (await post(generated)).json();
  const refused = await open(Client.fromSharedAccessSignature(issued.token, Mqtt), false).then(() => 'let in', (error) => error.name);
  if (refused !== 'UnauthorizedError') return `the disabled device was ${refused}`;
});

// 5. A wrong password and an unknown name read the same; the next try is told to wait.
await check(5, async () => {
  const wrong = await post({ identity: 'pump-8', secret: 'guess' });
  const unknown = await post({ identity: 'nobody', secret: 'guess' });
  const [one, two] = [await wrong.text(), await unknown.text()];
  if (wrong.status !== 401 || unknown.status !== 401 || one !== two) return `${wrong.status} ${one} and ${unknown.status} ${two}`;
  const again = await post({ identity: 'nobody', secret: 'guess' });
  if (again.status !== 429 || !(Number(again.headers.get('retry-after')) >= 1)) return `the second guess: ${again.status}`;
});

await finish();
