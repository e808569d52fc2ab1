// A device that knows no key of the hub, only a secret of your own identity system: it gets its tokens from
// `nave tokens run`, and is otherwise an ordinary device on the unmodified Azure SDK.
//   TOKEN_SERVICE=https://localhost:8450/tokens DEVICE_IDENTITY=pump-7 DEVICE_SECRET=… node device.mjs
// NODE_EXTRA_CA_CERTS names a file with the certificates of both authorities: the hub's and the token service's ca.pem.
import fs from 'node:fs';
import deviceSdk from 'azure-iot-device';
import mqttSdk from 'azure-iot-device-mqtt';
import { TokenServiceProvider } from './token-provider.mjs';

const provider = new TokenServiceProvider(process.env.TOKEN_SERVICE, { identity: process.env.DEVICE_IDENTITY, secret: process.env.DEVICE_SECRET });
provider.on('error', (error) => console.error(error.message));

const client = deviceSdk.Client.fromAuthenticationProvider(provider, mqttSdk.Mqtt);
if (process.env.NODE_EXTRA_CA_CERTS) {
  await client.setOptions({ ca: fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8') });
}
client.on('error', (error) => console.error(error.message));
await client.open();
console.log(`connected as ${provider.issued.deviceId} until ${provider.issued.expiresAt}; the next token comes at ${provider.issued.renewAt}`);

for (let reading = 1; ; reading++) {
  await client.sendEvent(new deviceSdk.Message(JSON.stringify({ reading })));
  console.log(`reading ${reading} is on the hub's disk`);
  await new Promise((resolve) => { setTimeout(resolve, 5000); });
}
