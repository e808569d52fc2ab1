// spec/device-mqtt.md from outside: raw MQTT packets over TLS, mqtt.js and the Node device SDK against a running hub.
//   device-mqtt.cjs [connection.json]     or NAVE_CONNECTION; needs NODE_EXTRA_CA_CERTS
// Makes its own devices with the iothubowner policy. Prints one JSON line per checked row.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const tls = require('node:tls');
const { createHmac, randomBytes } = require('node:crypto');
const { execFileSync } = require('node:child_process');
const { createRequire } = require('node:module');

// Node looks for packages beside the script; tests install them elsewhere and say where.
const load = createRequire((process.env.NAVE_MODULES ?? process.cwd()) + '/');
const packets = load('mqtt-packet');
const hub = JSON.parse(fs.readFileSync(process.argv[2] ?? process.env.NAVE_CONNECTION, 'utf8'));
const owner = hub.policies.iothubowner;
const run = randomBytes(3).toString('hex');
const field = (text, name) => new RegExp(`(?:^|;)${name}=([^;]*)`, 'i').exec(text)?.[1];
const sleep = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

let failed = 0;

/** Runs one row's check; what it throws or returns as text is why it failed. */
async function check(row, body, milliseconds = 30000) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`no outcome within ${milliseconds} ms`)), milliseconds); });
  let why;
  try {
    why = await Promise.race([body(), late]);
  } catch (error) {
    why = error?.stack ?? String(error);
  } finally {
    clearTimeout(timer);
  }
  failed += why === undefined ? 0 : 1;
  console.log(JSON.stringify({ spec: 'device-mqtt', row, ok: why === undefined, why: why ?? '' }));
}

function expect(actual, wanted, what) {
  if (JSON.stringify(actual) !== JSON.stringify(wanted)) throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(wanted)}`);
}

// ---- identities -----------------------------------------------------------------------------------------------------

const registry = load('azure-iothub').Registry.fromConnectionString(owner);

async function createDevice(name, authentication) {
  const { responseBody } = await registry.create({ deviceId: `${name}-${run}`, status: 'enabled', ...(authentication && { authentication }) });
  return { deviceId: responseBody.deviceId, key: responseBody.authentication.symmetricKey?.primaryKey };
}

function token(identity, { key = identity.key, seconds = 3600 } = {}) {
  const resource = encodeURIComponent(`${hub.hostName}/devices/${identity.deviceId}${identity.moduleId ? `/modules/${identity.moduleId}` : ''}`);
  const expiry = Math.floor(Date.now() / 1000) + seconds;
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(`${resource}\n${expiry}`).digest('base64');
  return `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}`;
}

// ---- a raw client ---------------------------------------------------------------------------------------------------

class Peer {
  static async open(options = {}) {
    const peer = new Peer();
    peer.received = [];
    peer.wake = () => {};
    peer.parser = packets.parser({ protocolVersion: 4 });
    peer.parser.on('packet', (packet) => { peer.received.push(packet); peer.wake(); });
    peer.parser.on('error', (error) => { peer.garbage = error; peer.wake(); });
    peer.socket = tls.connect({ host: hub.hostName, port: hub.ports.mqtts, ...options });
    peer.socket.on('data', (data) => peer.parser.parse(data));
    peer.socket.on('close', () => { peer.closedAt = Date.now(); peer.wake(); });
    peer.socket.on('error', (error) => { peer.error = error; });
    await new Promise((resolve, reject) => { peer.socket.once('secureConnect', resolve); peer.socket.once('error', reject); });
    return peer;
  }

  send(packet) { this.socket.write(packets.generate(packet, { protocolVersion: 4 })); }

  publish(topic, payload = '', more = {}) { this.send({ cmd: 'publish', topic, payload, qos: 1, messageId: 1, ...more }); }

  /** The next packet of that kind; fails on any other and on a close. */
  async next(cmd, milliseconds = 5000) {
    const until = Date.now() + milliseconds;
    while (this.received.length === 0) {
      if (this.closedAt) throw new Error(`closed instead of ${cmd}`);
      if (Date.now() > until) throw new Error(`no ${cmd} within ${milliseconds} ms`);
      await this.changed(until);
    }
    const packet = this.received.shift();
    expect(packet.cmd, cmd, 'packet');
    return packet;
  }

  /** Waits for the end, and for nothing before it. */
  async closed(milliseconds = 5000) {
    const until = Date.now() + milliseconds;
    while (!this.closedAt) {
      if (Date.now() > until) throw new Error(`still open after ${milliseconds} ms`);
      await this.changed(until);
    }
    if (this.received.length > 0) throw new Error(`got ${this.received[0].cmd} before the close`);
  }

  changed(until) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, until - Date.now()));
      this.wake = () => { clearTimeout(timer); resolve(); };
    });
  }

  end() { this.socket.destroy(); }
}

const clientId = (identity) => identity.moduleId ? `${identity.deviceId}/${identity.moduleId}` : identity.deviceId;

function connectPacket(identity, more = {}) {
  return {
    cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: false, keepalive: 60, clientId: clientId(identity),
    username: `${hub.hostName}/${clientId(identity)}/?api-version=2021-04-12&DeviceClientType=conformance`,
    ...('password' in more ? {} : { password: token(identity) }), ...more,
  };
}

/** Sends a CONNECT and returns the peer with its CONNACK. */
async function connect(identity, more = {}, options = {}) {
  const peer = await Peer.open(options);
  peer.send(connectPacket(identity, more));
  peer.connack = await peer.next('connack');
  return peer;
}

async function accepted(identity, more, options) {
  const peer = await connect(identity, more, options);
  expect(peer.connack.returnCode, 0, 'CONNACK');
  return peer;
}

async function refused(what, code, identity, more, options) {
  const peer = await connect(identity, more, options);
  expect(peer.connack.returnCode, code, what);
  await peer.closed();
}

// ---- what arrives ---------------------------------------------------------------------------------------------------

const { EventHubConsumerClient, latestEventPosition } = load('@azure/event-hubs');
const reader = new EventHubConsumerClient('$Default', hub.events, { retryOptions: { maxRetries: 3 } });
const events = [];
let readerError;
const subscription = reader.subscribe(
  {
    processEvents: async (batch) => { events.push(...batch); },
    processError: async (error) => { readerError = error; },
  },
  { startPosition: latestEventPosition, maxWaitTimeInSeconds: 1 });

/** The event that satisfies the condition. */
async function arrival(what, isIt, milliseconds = 10000) {
  const until = Date.now() + milliseconds;
  for (;;) {
    const event = events.find(isIt);
    if (event) return event;
    if (Date.now() > until) throw new Error(`${what} did not arrive${readerError ? ` (${readerError})` : ''}`);
    await sleep(50);
  }
}

const bodyOf = (event) => Buffer.isBuffer(event.body) ? event.body.toString() : typeof event.body === 'string' ? event.body : JSON.stringify(event.body);

async function sent(peer, topic, more = {}) {
  const body = `"${randomBytes(8).toString('hex')}"`;
  peer.publish(topic, body, more);
  if ((more.qos ?? 1) === 1) await peer.next('puback');
  return arrival(topic, (event) => bodyOf(event) === body || bodyOf(event) === JSON.parse(body));
}

// ---- the rows -------------------------------------------------------------------------------------------------------

async function rows() {
  const device = await createDevice('mqtt');
  const other = await createDevice('other');
  const eventsOf = (identity) => `devices/${identity.deviceId}/messages/events/`;

  // The reader must be at the end of the log before the first message.
  const warm = await accepted(other, { clean: true });
  for (let i = 0; ; i++) {
    if (i === 30) throw new Error('the events endpoint delivers nothing');
    warm.publish(eventsOf(other), `warm ${i}`);
    await warm.next('puback');
    await sleep(300);
    if (events.length > 0) break;
  }
  warm.end();

  await check(1, async () => {
    const first = await accepted(device);
    expect(first.connack.sessionPresent, false, 'session present the first time');
    first.send({ cmd: 'disconnect' });
    await first.closed();
    const second = await accepted(device);
    expect(second.connack.sessionPresent, true, 'session present the second time');
    second.end();
  });

  await check(2, async () => {
    const { deviceId } = device;
    for (const rest of [`/?api-version=2021-04-12&DeviceClientType=x`, `/api-version=2016-11-14&DeviceClientType=x`, '', '/']) {
      const peer = await accepted(device, { username: `${hub.hostName}/${deviceId}${rest}` });
      peer.end();
    }
    const peer = await accepted(device, { username: `${hub.hostName}/${deviceId}/?api-version=2021-04-12&model-id=dtmi:a:b;1&DeviceClientType=c` });
    const event = await sent(peer, eventsOf(device));
    expect(event.systemProperties['dt-dataschema'], 'dtmi:a:b;1', 'model id');
    peer.end();
  });

  await check(3, async () => {
    const disabled = await createDevice('disabled');
    await registry.update({ deviceId: disabled.deviceId, status: 'disabled' });
    await refused('client id of another', 2, device, { clientId: other.deviceId });
    await refused('no user name', 4, device, { username: hub.hostName });
    await refused('unknown device', 5, { deviceId: `nobody-${run}`, key: device.key });
    await refused('disabled device', 5, disabled);
    await refused('wrong key', 5, device, { password: token(device, { key: other.key }) });
    await refused('expired token', 5, device, { password: token(device, { seconds: -86400 }) });
    await refused('no credential', 5, device, { password: '' });
    await refused('another hub', 5, device, { username: `elsewhere.example/${device.deviceId}/?api-version=2021-04-12` });
    for (const level of [3, 6]) {
      const peer = await Peer.open();
      const bytes = packets.generate(connectPacket(device));
      bytes[bytes.indexOf('MQTT') + 4] = level;
      peer.socket.write(bytes);
      expect((await peer.next('connack')).returnCode, 1, `level ${level}`);
      await peer.closed();
    }
  });

  await check(4, async () => {
    const odd = await createDevice('odd@1');
    const peer = await accepted(odd);
    await sent(peer, `devices/${odd.deviceId}/messages/events/`);
    const event = await sent(peer, `devices/${encodeURIComponent(odd.deviceId)}/messages/events/`);
    expect(event.systemProperties['iothub-connection-device-id'], odd.deviceId, 'device');
    peer.end();
    await refused('a blank', 2, { deviceId: `${device.deviceId} `, key: device.key });
    await refused('#', 5, { deviceId: `${device.deviceId}#`, key: device.key });
    await refused('+', 5, { deviceId: '+', key: device.key });
  });

  await check(5, async () => {
    const peer = await accepted(device, { keepalive: 2 });
    const since = Date.now();
    await peer.closed(8000);
    const seconds = (peer.closedAt - since) / 1000;
    if (seconds < 2.9 || seconds > 5.2) return `dropped after ${seconds} s`;
  });

  await check(10, async () => {
    const durable = await accepted(device);
    durable.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$iothub/methods/POST/#', qos: 0 }] });
    await durable.next('suback');
    durable.end();
    const clean = await accepted(device, { clean: true });
    expect(clean.connack.sessionPresent, false, 'session present with a clean session');
    clean.end();
    const after = await accepted(device);
    expect(after.connack.sessionPresent, false, 'session present after a clean session');
    after.end();
  });

  await check(11, async () => {
    const first = await accepted(device);
    const second = await accepted(device);
    await first.closed();
    await sent(second, eventsOf(device));
    second.end();
  });

  await check(12, async () => {
    const will = { topic: eventsOf(device) + 'a=1', payload: `lost ${run}`, qos: 1, retain: false };
    const polite = await accepted(device, { will: { ...will, payload: `polite ${run}` } });
    polite.send({ cmd: 'disconnect' });
    await polite.closed();
    const lost = await accepted(device, { will });
    lost.socket.destroy();
    const event = await arrival('the will', (e) => bodyOf(e).includes(`lost ${run}`));
    expect(event.properties, { a: '1', 'iothub-MessageType': 'Will' }, 'properties of the will');
    if (events.some((e) => bodyOf(e).includes(`polite ${run}`))) return 'a will was published after a DISCONNECT';
    await refused('a will elsewhere', 5, device, { will: { ...will, topic: eventsOf(other) } });
    await refused('a will with QoS 2', 5, device, { will: { ...will, qos: 2 } });
  });

  await check(13, async () => {
    const peer = await accepted(device);
    peer.publish(eventsOf(device), 'x', { qos: 2 });
    await peer.closed();
  });

  await check(14, async () => {
    const peer = await accepted(device, { clean: true });
    const event = await sent(peer, eventsOf(device), { retain: true });
    expect(event.properties, { 'mqtt-retain': 'true' }, 'properties');
    peer.send({ cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: '#', qos: 1 }] });
    await peer.next('suback');
    await sleep(500);
    if (peer.received.length > 0) return `got a ${peer.received[0].cmd} after subscribing`;
    peer.end();
  });

  await check(15, async () => {
    const peer = await accepted(device);
    const event = await sent(peer, eventsOf(device)
      + '%24.mid=mid%201%2F%C3%A9&%24.cid=cid&%24.uid=user&%24.to=there&%24.ct=application%2Fjson&%24.ce=utf-8&%24.exp=2030-01-01T00%3A00%3A00.000Z'
      + '&$.ctime=2026-01-01T00:00:00Z&$.ifid=urn%3Aif%3A1&%24.sub=comp1&$.on=out&$.schema=s&p%201=v%2F1%26%3D%C3%A9%25&plus=1%2B1&empty=');
    peer.end();
    expect(event.properties, {
      'p 1': 'v/1&=é%', plus: '1+1', empty: '', 'iothub-creation-time-utc': '2026-01-01T00:00:00Z', 'iothub-outputname': 'out', 'iothub-message-schema': 's',
    }, 'application properties');
    const system = event.systemProperties;
    expect([event.messageId, event.correlationId, event.contentType], ['mid 1/é', 'cid', 'application/json'], 'message id, correlation id, content type');
    expect([system.to, system.contentEncoding, system['iothub-interface-id'], system['dt-subject']], ['there', 'utf-8', 'urn:if:1', 'comp1'], 'system properties');
    expect(Buffer.from(system.userId.data ?? Object.values(system.userId)).toString(), 'user', 'user id');
    expect(new Date(system.absoluteExpiryTime).toISOString(), '2030-01-01T00:00:00.000Z', 'expiry');

    const { Client, Message } = load('azure-iot-device');
    const client = Client.fromConnectionString(`HostName=${hub.hostName};DeviceId=${device.deviceId};SharedAccessKey=${device.key}`, load('azure-iot-device-mqtt').Mqtt);
    await client.open();
    const message = new Message(`"sdk ${run}"`);
    message.messageId = 'id 1/é';
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.properties.add('Größe & Maß=1', 'a+b/c?d é%');
    await client.sendEvent(message);
    await client.close();
    const fromSdk = await arrival('the message of the SDK', (e) => bodyOf(e).includes(`sdk ${run}`));
    expect(fromSdk.properties, { 'Größe & Maß=1': 'a+b/c?d é%' }, 'properties from the SDK');
    expect([fromSdk.messageId, fromSdk.contentType], ['id 1/é', 'application/json'], 'ids from the SDK');
  });

  await check(16, async () => {
    const peer = await accepted(device);
    for (const bag of ['a=1&b=2', 'a=1&b=2/', '?a=1&b=2']) {
      expect((await sent(peer, eventsOf(device) + bag)).properties, { a: '1', b: '2' }, bag);
    }
    peer.end();
  });

  await check(17, async () => {
    for (const topic of [eventsOf(other), 'foo/bar', '$iothub/nope']) {
      const peer = await accepted(device);
      peer.publish(topic, 'x');
      await peer.closed().catch((error) => { throw new Error(`${topic}: ${error.message}`); });
    }
    const peer = await accepted(device);
    peer.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `devices/${other.deviceId}/messages/devicebound/#`, qos: 0 }] });
    await peer.closed();
  });

  await check(18, async () => {
    const peer = await accepted(device);
    peer.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$iothub/twin/res/#', qos: 2 }, { topic: '$iothub/methods/POST/#', qos: 0 }] });
    expect((await peer.next('suback')).granted, [1, 0], 'granted');
    peer.end();
  });

  await check(25, async () => {
    const peer = await accepted(device);
    peer.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$iothub/twin/res/#', qos: 1 }] });
    await peer.next('suback');
    for (const rid of ['a1', '5d2c6f0e-58a5-4b52-9d9c-4a7a3c7d1f10', '65535']) {
      peer.publish(`$iothub/twin/GET/?$rid=${rid}`, ' ', { qos: 0 });
      const answer = await peer.next('publish');
      if (!new RegExp(`^\\$iothub/twin/res/\\d{3}/\\?\\$rid=${rid}(&|$)`).test(answer.topic)) return `answered on ${answer.topic}`;
      expect(answer.qos, 0, 'QoS of the answer');
      JSON.parse(answer.payload.toString());
    }
    peer.end();
  });

  await check(30, async () => {
    const peer = await accepted(device);
    peer.publish(eventsOf(device) + 'k=v', Buffer.alloc(262144 - 2, 'x'));
    await peer.next('puback', 10000);
    peer.publish(eventsOf(device) + 'k=v', Buffer.alloc(262144 - 1, 'x'));
    await peer.closed();
  });

  await check(31, async () => {
    const shortLived = await accepted(device, { password: token(device, { seconds: -300 + 3 }) });
    const since = Date.now();
    await shortLived.closed(8000);
    const seconds = (shortLived.closedAt - since) / 1000;
    if (seconds < 2 || seconds > 5.5) return `cut ${seconds} s after a connect with 3 s left`;

    const doomed = await createDevice('doomed');
    const peer = await accepted(doomed);
    await registry.update({ deviceId: doomed.deviceId, status: 'disabled' });
    const disabledAt = Date.now();
    await peer.closed();
    if (peer.closedAt - disabledAt > 1000) return `cut ${peer.closedAt - disabledAt} ms after it was disabled`;
  });

  await check(32, async () => {
    const mqtt = load('mqtt');
    const { username, password } = connectPacket(device);
    const client = await mqtt.connectAsync(`wss://${hub.hostName}:${hub.ports.https}/$iothub/websocket?iothub-no-client-cert=true`, {
      clientId: device.deviceId, username, password, protocolVersion: 4, clean: false, reconnectPeriod: 0,
    });
    await client.publishAsync(eventsOf(device) + 'ws=1', `"ws ${run}"`, { qos: 1 });
    await client.endAsync();
    expect((await arrival('the message over WebSocket', (e) => bodyOf(e).includes(`ws ${run}`))).properties, { ws: '1' }, 'properties');

    const { Client, Message } = load('azure-iot-device');
    const sdk = Client.fromConnectionString(`HostName=${hub.hostName};DeviceId=${device.deviceId};SharedAccessKey=${device.key}`, load('azure-iot-device-mqtt').MqttWs);
    await sdk.open();
    await sdk.sendEvent(new Message(`"sdk ws ${run}"`));
    await sdk.close();
    await arrival('the message of the SDK over WebSocket', (e) => bodyOf(e).includes(`sdk ws ${run}`));
  });

  await check(33, async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nave-x509-'));
    const certificate = (name) => {
      const [keyFile, certFile] = [path.join(folder, `${name}.key`), path.join(folder, `${name}.pem`)];
      execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', certFile], { stdio: 'pipe' });
      const fingerprint = execFileSync('openssl', ['x509', '-in', certFile, '-noout', '-fingerprint', '-sha1']).toString().split('=')[1].replaceAll(':', '').trim();
      return { key: fs.readFileSync(keyFile), cert: fs.readFileSync(certFile), fingerprint };
    };
    try {
      const [own, foreign] = [certificate('own'), certificate('foreign')];
      const x509 = await createDevice('x509', { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: own.fingerprint, secondaryThumbprint: own.fingerprint } });
      const peer = await accepted(x509, { password: undefined }, { key: own.key, cert: own.cert });
      await sent(peer, eventsOf(x509));
      peer.end();
      await refused('another certificate', 5, x509, { password: undefined }, { key: foreign.key, cert: foreign.cert });
      await refused('no certificate', 5, x509, { password: undefined });
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  await check(34, async () => {
    const { responseBody } = await registry.addModule({ deviceId: device.deviceId, moduleId: 'mod' });
    const module = { deviceId: device.deviceId, moduleId: 'mod', key: responseBody.authentication.symmetricKey.primaryKey };
    const [ofDevice, ofModule] = [await accepted(device), await accepted(module)];
    const event = await sent(ofModule, `devices/${device.deviceId}/modules/mod/messages/events/`);
    expect(event.systemProperties['iothub-connection-module-id'], 'mod', 'module');
    const plain = await sent(ofDevice, eventsOf(device));
    expect(plain.systemProperties['iothub-connection-module-id'], undefined, 'module of the device');
    ofDevice.end();
    ofModule.end();
  });
}

rows()
  .catch((error) => { failed++; console.error(error); })
  .finally(async () => {
    await Promise.race([subscription.close().then(() => reader.close()), sleep(3000)]);
    process.exit(failed === 0 ? 0 : 1);
  });
