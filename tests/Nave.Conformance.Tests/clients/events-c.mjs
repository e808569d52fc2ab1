// Client C of spec/events-endpoint.md: @azure/event-hubs 6.
import { createHmac } from 'node:crypto';
import { check, device, events, finish, policy, policyKey, require, send, sleep } from './harness.mjs';

const { EventHubConsumerClient, earliestEventPosition } = require('@azure/event-hubs');
const clients = [];
const retryOptions = { maxRetries: 0, timeoutInMs: 10000 };
const connect = (group = '$Default', text = events, options = {}) => {
  const client = new EventHubConsumerClient(group, text, { retryOptions, ...options });
  clients.push(client);
  return client;
};

/** Collects events of a partition until the condition holds or the time is over. */
function collect(client, partition, until, { milliseconds = 8000, untilClose = false, ...options } = {}) {
  return new Promise((resolve) => {
    const seen = [];
    let error;
    let closeReason;
    let timer;
    const subscription = client.subscribe(partition, {
      processEvents: async (batch) => { seen.push(...batch); if (until(seen, error)) done(); },
      processError: async (e) => { error ??= e; if (until(seen, error)) done(); },
      processClose: async (reason) => { closeReason = reason; if (untilClose) done(); },
    }, { maxWaitTimeInSeconds: 1, ...options });
    async function done() {
      clearTimeout(timer);
      await subscription.close();
      resolve({ seen, error, closeReason });
    }
    timer = setTimeout(done, milliseconds);
  });
}

const main = connect();
let partition; // of the test device
let first; // sequence number of its first event here

await check(1, async () => {
  const hub = await main.getEventHubProperties();
  if (hub.name.length === 0) return 'no name';
  if (!(hub.createdOn instanceof Date) || Number.isNaN(hub.createdOn.getTime()) || hub.createdOn.getFullYear() < 2020) return `createdOn ${hub.createdOn}`;
  if (!Array.isArray(hub.partitionIds) || hub.partitionIds.length === 0) return `partitionIds ${hub.partitionIds}`;
});

await check(2, async () => {
  const ids = await main.getPartitionIds();
  const before = await Promise.all(ids.map((id) => main.getPartitionProperties(id)));
  for (const p of before) {
    if (p.isEmpty && p.lastEnqueuedSequenceNumber !== -1) return `empty partition ends at ${p.lastEnqueuedSequenceNumber}`;
  }
  await send('{"n":0}');
  const after = await Promise.all(ids.map((id) => main.getPartitionProperties(id)));
  partition = ids.find((_, i) => after[i].lastEnqueuedSequenceNumber !== before[i].lastEnqueuedSequenceNumber);
  if (partition === undefined) return 'no partition has the event';
  const [was, is] = [before[ids.indexOf(partition)], after[ids.indexOf(partition)]];
  first = is.lastEnqueuedSequenceNumber;
  if (was.isEmpty && first !== 0) return `first event has number ${first}`;
  if (is.isEmpty || first !== was.lastEnqueuedSequenceNumber + 1) return JSON.stringify(is);
});

await send(...Array.from({ length: 9 }, (_, i) => JSON.stringify({ n: i + 1 })));

let all = [];
await check(3, async () => {
  const { seen, error } = await collect(main, partition, (s) => s.some((e) => e.sequenceNumber === first + 9), { startPosition: earliestEventPosition });
  if (error) return error;
  all = seen.filter((e) => e.sequenceNumber >= first);
  if (all.length !== 10) return `${all.length} events`;
  for (const [i, event] of all.entries()) {
    if (event.body.n !== i) return `body ${JSON.stringify(event.body)} at ${i}`;
    if (event.sequenceNumber !== first + i) return `number ${event.sequenceNumber}`;
    if (event.systemProperties['iothub-connection-device-id'] !== device) return JSON.stringify(event.systemProperties);
    if (event.properties.level !== 'ü') return JSON.stringify(event.properties);
  }
});

await check(8, async () => {
  const offsets = all.map((e) => BigInt(e.offset));
  if (offsets.length === 0) return 'no events';
  for (let i = 1; i < offsets.length; i++) if (offsets[i] <= offsets[i - 1]) return offsets.join();
});

await check(28, async () => {
  const event = all[0];
  if (!(event.enqueuedTimeUtc instanceof Date)) return `enqueuedTimeUtc ${event.enqueuedTimeUtc}`;
  const stamp = event.systemProperties['iothub-enqueuedtime'];
  if (typeof stamp !== 'number' && !(stamp instanceof Date)) return `iothub-enqueuedtime is ${typeof stamp}`;
  if (Math.abs(Number(stamp) - Date.now()) > 600000) return `iothub-enqueuedtime ${stamp}`;
});

await check(4, async () => {
  const pending = collect(main, partition, (s) => s.length > 0, { startPosition: { offset: '@latest' } });
  await sleep(1500);
  await send('{"n":10}');
  const { seen, error } = await pending;
  if (error) return error;
  if (seen.length !== 1 || seen[0].body.n !== 10) return JSON.stringify(seen.map((e) => e.body));
});

await check(5, async () => {
  const from = async (startPosition) => (await collect(main, partition, (s) => s.length > 0, { startPosition })).seen[0];
  const inclusive = await from({ sequenceNumber: first + 7, isInclusive: true });
  const exclusive = await from({ sequenceNumber: first + 7 });
  if (inclusive?.sequenceNumber !== first + 7 || exclusive?.sequenceNumber !== first + 8) return `${inclusive?.sequenceNumber} ${exclusive?.sequenceNumber}`;
  const offset = await from({ offset: all[3].offset });
  if (offset?.sequenceNumber !== first + 4) return `offset: ${offset?.sequenceNumber}`;
  const later = await from({ enqueuedOn: new Date(all[9].enqueuedTimeUtc.getTime()) });
  if (!(later?.enqueuedTimeUtc > all[9].enqueuedTimeUtc)) return `enqueuedOn: ${later?.enqueuedTimeUtc}`;
});

await check(9, async () => {
  const { seen, error } = await collect(connect('$default'), partition, (s) => s.length > 0, { startPosition: earliestEventPosition });
  if (error || seen.length === 0) return error ?? 'no events in $default';
  const missing = await collect(connect('no-such-group'), partition, (_, e) => e, { startPosition: earliestEventPosition });
  if (!/messaging entity .* could not be found/.test(missing.error?.message ?? '')) return missing.error ?? 'no error';
});

await check(10, async () => {
  const readers = Array.from({ length: 5 }, () => connect());
  const reading = readers.map((c) => collect(c, partition, () => false, { startPosition: { sequenceNumber: first, isInclusive: true }, milliseconds: 6000 }));
  await sleep(2500);
  const sixth = await collect(connect(), partition, (_, e) => e, { startPosition: earliestEventPosition, milliseconds: 3000 });
  const results = await Promise.all(reading);
  for (const { seen, error } of results) if (error || seen.filter((e) => e.sequenceNumber < first + 10).length !== 10) return error ?? `${seen.length} events`;
  if (!/which is 5/.test(sixth.error?.message ?? '')) return sixth.error ?? 'sixth reader accepted';
});

await check(11, async () => {
  const low = collect(connect(), partition, () => false, { startPosition: earliestEventPosition, ownerLevel: 1, untilClose: true });
  await sleep(2000);
  const high = collect(connect(), partition, () => false, { startPosition: earliestEventPosition, ownerLevel: 5, milliseconds: 3000 });
  const loser = await low;
  const winner = await high;
  if (loser.error?.code !== 'ReceiverDisconnectedError') return loser.error ?? 'not displaced';
  if (loser.closeReason !== 'OwnershipLost') return `close reason ${loser.closeReason}`;
  if (winner.error || winner.seen.length === 0) return winner.error ?? 'winner got nothing';
});

await check(12, async () => {
  const high = collect(connect(), partition, () => false, { startPosition: earliestEventPosition, ownerLevel: 5, milliseconds: 6000 });
  await sleep(2000);
  const low = await collect(connect(), partition, (_, e) => e, { startPosition: earliestEventPosition, ownerLevel: 1, milliseconds: 3000 });
  const none = await collect(connect(), partition, (_, e) => e, { startPosition: earliestEventPosition, milliseconds: 3000 });
  const owner = await high;
  if (owner.error) return owner.error;
  if (!low.error || !/higher epoch/.test(low.error.message)) return low.error ?? 'lower epoch accepted';
  if (!none.error || !/non-epoch receiver is not allowed/.test(none.error.message)) return none.error ?? 'reader without epoch accepted';
});

await check(13, async () => {
  // The client signs with the key's text; the other convention comes in as a ready token.
  const host = /sb:\/\/([^:/;]+)/.exec(events)[1];
  const resource = encodeURIComponent(`sb://${host}/`);
  const expiry = Math.floor(Date.now() / 1000) + 3600;
  const token = (key) => {
    const sig = encodeURIComponent(createHmac('sha256', key).update(`${resource}\n${expiry}`).digest('base64'));
    return `SharedAccessSignature sr=${resource}&sig=${sig}&se=${expiry}&skn=${policy}`;
  };
  const head = events.replace(/SharedAccessKeyName=[^;]*;?/i, '').replace(/SharedAccessKey=[^;]*;?/i, '');
  const emulator = (text) => `${text.replace(/;$/, '')};SharedAccessSignature=`;
  const decoded = connect('$Default', emulator(head) + token(Buffer.from(policyKey, 'base64')));
  await decoded.getPartitionIds();
  const wrong = connect('$Default', emulator(head) + token('wrong'));
  try {
    await wrong.getPartitionIds();
    return 'a wrong signature was accepted';
  } catch (error) {
    if (error.code !== 'UnauthorizedError') return error;
  }
});

await check(20, async () => {
  const read = async (trackLastEnqueuedEventProperties) => {
    const client = connect();
    let properties;
    await new Promise((resolve) => {
      const subscription = client.subscribe(partition, {
        processEvents: async (batch, context) => { properties = context.lastEnqueuedEventProperties; if (batch.length) { await subscription.close(); resolve(); } },
        processError: async () => resolve(),
      }, { startPosition: earliestEventPosition, trackLastEnqueuedEventProperties });
    });
    return properties;
  };
  const tracked = await read(true);
  if (!(tracked?.sequenceNumber >= first + 10) || !(tracked.enqueuedOn instanceof Date)) return JSON.stringify(tracked);
  const untracked = await read(false);
  if (untracked?.sequenceNumber !== undefined) return JSON.stringify(untracked);
});

await check(27, async () => {
  const { error } = await collect(main, partition, (_, e) => e, { startPosition: { sequenceNumber: 1000000 } });
  if (!/supplied sequence number '1000000' is invalid/.test(error?.message ?? '')) return error ?? 'no error';
});

if (process.env.NAVE_WEBSOCKET) {
  await check(23, async () => {
    const client = connect('$Default', events, { webSocketOptions: { webSocket: require('ws') } });
    const { seen, error } = await collect(client, partition, (s) => s.length > 0, { startPosition: earliestEventPosition });
    if (error || seen.length === 0) return error ?? 'no events';
  });
}

if (process.env.NAVE_PLAIN) {
  await check(24, async () => { await connect('$Default', `${events};UseDevelopmentEmulator=true`).getPartitionIds(); });
}

if (process.env.NAVE_LONG) {
  await check(25, async () => {
    const client = connect();
    const pending = collect(client, partition, (s) => s.length > 0, { startPosition: { offset: '@latest' }, milliseconds: 320000 });
    await sleep(305000);
    await send('{"n":"after five minutes"}');
    const { seen, error } = await pending;
    if (error || seen.length !== 1) return error ?? `${seen.length} events`;
  }, 330000);
}

await Promise.all(clients.map((c) => c.close().catch(() => {})));
await finish();
