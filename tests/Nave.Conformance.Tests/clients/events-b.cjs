// Client B of spec/events-endpoint.md: azure-event-hubs 0.2.11. Follows the redirect of the hub's own connection string.
const harness = import('./harness.mjs');

(async () => {
  const { check, device, events, finish, iot, require: load, send, sleep } = await harness;
  const { EventHubClient, EventPosition } = load('azure-event-hubs');

  let partition;
  let first;

  async function receive(client, position, count, milliseconds = 8000) {
    const seen = [];
    let problem;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      const handler = client.receive(partition, (event) => {
        seen.push(event);
        if (seen.length === count) { clearTimeout(timer); setTimeout(() => handler.stop().then(resolve, resolve), 200); }
      }, (error) => { problem = error; clearTimeout(timer); resolve(); }, { eventPosition: position });
    });
    if (problem) throw problem;
    return seen;
  }

  async function exercise(client) {
    const hub = await client.getHubRuntimeInformation();
    if (!Array.isArray(hub.partitionIds) || hub.partitionIds.length !== hub.partitionCount) return JSON.stringify(hub);
    const state = async () => {
      const all = []; // One at a time: this client mixes up answers to requests that it sent together.
      for (const id of hub.partitionIds) all.push(await client.getPartitionInformation(id));
      return all;
    };
    await send('{"n":-1}'); // This client cannot ask for sequence number 0.
    await sleep(300);
    const before = await state();
    await send('{"n":0}', '{"n":1}', '{"n":2}');
    await sleep(300);
    const after = await state();
    const at = after.findIndex((p, i) => p.lastSequenceNumber !== before[i].lastSequenceNumber);
    if (at < 0) return 'no partition has the events';
    partition = hub.partitionIds[at];
    first = after[at].lastSequenceNumber - 2;
    const seen = await receive(client, EventPosition.fromSequenceNumber(first, true), 3);
    if (seen.map((e) => e.body.n ?? JSON.parse(e.body).n).join() !== '0,1,2') return JSON.stringify(seen.map((e) => e.body));
    if (seen[0].annotations['iothub-connection-device-id'] !== device) return JSON.stringify(seen[0].annotations);
    const exclusive = await receive(client, EventPosition.fromSequenceNumber(first), 1);
    if (exclusive[0]?.sequenceNumber !== first + 1) return `exclusive: ${exclusive[0]?.sequenceNumber}`;
    const timed = await receive(client, EventPosition.fromEnqueuedTime(seen[0].enqueuedTimeUtc.getTime() - 1), 1);
    if (!(timed[0]?.sequenceNumber <= first)) return `enqueued time: ${timed[0]?.sequenceNumber}`;
  }

  await check(5, async () => {
    const client = EventHubClient.createFromConnectionString(events);
    const why = await exercise(client);
    await client.close();
    return why;
  });

  await check(16, async () => {
    const client = await EventHubClient.createFromIotHubConnectionString(iot);
    const why = await exercise(client);
    await client.close();
    return why;
  });

  await finish();
})();
