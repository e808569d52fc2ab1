// A back end on the unmodified Event Hubs SDK: prints what devices send from now on, for SECONDS (30).
// EVENTS_CONNECTION is what `nave connection-string --events` prints.
import { EventHubConsumerClient, latestEventPosition } from '@azure/event-hubs';

const client = new EventHubConsumerClient('$Default', process.env.EVENTS_CONNECTION);
const subscription = client.subscribe(
  {
    processEvents: async (events, context) => {
      for (const event of events) {
        const device = event.systemProperties['iothub-connection-device-id'];
        console.log(`partition ${context.partitionId} #${event.sequenceNumber} ${device}`, event.body, event.properties);
      }
    },
    processError: async (error) => console.error(error.message),
  },
  { startPosition: latestEventPosition },
);
await new Promise((resolve) => setTimeout(resolve, 1000 * (process.env.SECONDS ?? 30)));
await subscription.close();
await client.close();
