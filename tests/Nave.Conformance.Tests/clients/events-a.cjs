// Client A of spec/events-endpoint.md: azure-event-hubs 0.0.8, of the 2016 tutorials.
const harness = import('./harness.mjs');

(async () => {
  const { check, device, events, finish, iot, require: load, send, sleep } = await harness;
  const load2016 = () => { try { return load('azure-event-hubs-2016'); } catch { return load('azure-event-hubs'); } };
  const { Client } = load2016();

  async function exercise(text) {
    const client = Client.fromConnectionString(text);
    await client.open();
    const ids = await client.getPartitionIds();
    if (!Array.isArray(ids) || ids.length === 0) return `partition ids ${ids}`;
    const start = Date.now() - 1000;
    const seen = [];
    let problem;
    for (const id of ids) {
      // The filter on x-opt-enqueuedtimeutc, unquoted or not as this client writes it.
      const receiver = await client.createReceiver('$Default', id, { startAfterTime: start });
      receiver.on('errorReceived', (error) => { problem = error; });
      receiver.on('message', (message) => seen.push(message));
    }
    await sleep(1000);
    await send('{"n":"a"}', '{"n":"b"}');
    await sleep(2000);
    await client.close();
    if (problem) return problem;
    const mine = seen.filter((m) => ['a', 'b'].includes((typeof m.body === 'string' ? JSON.parse(m.body) : m.body).n));
    if (mine.length < 2) return `${mine.length} of ${seen.length} events`;
    if (mine[0].annotations['iothub-connection-device-id'] !== device) return JSON.stringify(mine[0].annotations);
    const stamp = mine[0].annotations['iothub-enqueuedtime'];
    if (!(stamp instanceof Date)) return `iothub-enqueuedtime is ${typeof stamp}`;
  }

  await check(14, () => exercise(events));
  await check(7, () => exercise(events));
  await check(17, () => exercise(iot));
  await finish();
})();
