// What the events clients share: one JSON line per checked row, and ways to send device telemetry.
//   NAVE_EVENTS    Endpoint=sb://...;SharedAccessKeyName=...;SharedAccessKey=...;EntityPath=...
//   NAVE_IOT       HostName=...;SharedAccessKeyName=...;SharedAccessKey=...   (rows that follow the redirect)
//   NAVE_DEVICE    a device connection string: telemetry goes over azure-iot-device-mqtt
//   NAVE_SEND_FIFO instead of NAVE_DEVICE: lines "send {device} {body}|{body}" for a test host
import fs from 'node:fs';
import { createRequire } from 'node:module';

// Node looks for packages beside the script; tests install them elsewhere and say where.
export const require = createRequire((process.env.NAVE_MODULES ?? process.cwd()) + '/');
export const events = process.env.NAVE_EVENTS ?? process.argv[2];
export const iot = process.env.NAVE_IOT ?? process.argv[3];

export const field = (text, name) => new RegExp(`(?:^|;)${name}=([^;]*)`, 'i').exec(text)?.[1];
export const policy = field(events ?? '', 'SharedAccessKeyName');
export const policyKey = field(events ?? '', 'SharedAccessKey');
export const device = field(process.env.NAVE_DEVICE ?? '', 'DeviceId') ?? 'conformance-1';

let failed = 0;

export function report(row, ok, why = '') {
  failed += ok ? 0 : 1;
  console.log(JSON.stringify({ row, ok, why: ok ? '' : String(why) }));
}

/** Runs one row's check; what it throws or returns as text is why it failed. */
export async function check(row, body, milliseconds = 30000) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`no outcome within ${milliseconds} ms`)), milliseconds); });
  try {
    const why = await Promise.race([body(), late]);
    report(row, why === undefined, why);
  } catch (error) {
    report(row, false, error?.stack ?? error);
  } finally {
    clearTimeout(timer);
  }
}

export const sleep = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

let client;

/** Sends telemetry of the device and waits until it is acknowledged. */
export async function send(...bodies) {
  if (process.env.NAVE_SEND_FIFO) {
    fs.appendFileSync(process.env.NAVE_SEND_FIFO, `send ${device} ${bodies.join('|')}\n`);
    return sleep(300);
  }
  const { Client, Message } = require('azure-iot-device');
  if (!client) {
    client = Client.fromConnectionString(process.env.NAVE_DEVICE, require('azure-iot-device-mqtt').Mqtt);
    if (process.env.NODE_EXTRA_CA_CERTS) await client.setOptions({ ca: fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8') });
    await client.open();
  }
  for (const body of bodies) {
    const message = new Message(body);
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.properties.add('level', 'ü');
    await client.sendEvent(message);
  }
}

export async function finish() {
  if (client) await client.close();
  process.exit(failed === 0 ? 0 : 1);
}
