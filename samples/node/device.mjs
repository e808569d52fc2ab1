// A device on the unmodified Azure SDK: sends ten readings, waiting for each acknowledgement.
// DEVICE_CONNECTION is what `nave connection-string my-device` prints.
import deviceSdk from 'azure-iot-device';
import mqttSdk from 'azure-iot-device-mqtt';

const client = deviceSdk.Client.fromConnectionString(process.env.DEVICE_CONNECTION, mqttSdk.Mqtt);
await client.open();
for (let reading = 1; reading <= 10; reading++) {
  const message = new deviceSdk.Message(JSON.stringify({ reading, temperature: 20 + reading / 10 }));
  message.messageId = `reading-${reading}`;
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  message.properties.add('unit', '°C');
  await client.sendEvent(message);
  console.log(`reading ${reading} is on the hub's disk`);
}
await client.close();
