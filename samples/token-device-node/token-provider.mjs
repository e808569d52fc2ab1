// An authentication provider for azure-iot-device: shows the device's own credential to the token service and hands the
// SDK the token that comes back; renews it in time, and again when the SDK reconnects with one that has expired.
import { EventEmitter } from 'node:events';

const AuthenticationTypeToken = 1; // AuthenticationType.Token of azure-iot-common.
const LongestWait = 60_000;

export class TokenServiceProvider extends EventEmitter {
  /**
   * @param url        https://…/tokens
   * @param credential { identity, secret } or { bearer }
   * @param options    { lifetimeSeconds }
   */
  constructor(url, credential, options = {}) {
    super();
    this.type = AuthenticationTypeToken;
    this.url = url;
    this.credential = credential;
    this.options = options;
  }

  /** What the SDK calls before every connect. */
  getDeviceCredentials(callback) {
    const credentials = this.issued && Date.now() < Date.parse(this.issued.expiresAt) ? Promise.resolve(this.credentials()) : this.renew();
    if (!callback) return credentials;
    credentials.then((found) => callback(null, found), (error) => callback(error));
    return undefined;
  }

  /** What the SDK calls when the client is closed. */
  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** A new token, as patient as the service asks. */
  async renew() {
    for (let failures = 0; ; failures++) {
      const answer = await this.ask();
      if (answer.issued) {
        this.issued = answer.issued;
        this.schedule(Date.parse(this.issued.renewAt) - Date.now());
        return this.credentials();
      }
      if (!answer.retryAfter || failures >= 10 || this.stopped) {
        const error = new Error(`the token service refused: ${answer.problem}`);
        error.name = answer.retryAfter ? 'ServiceUnavailableError' : 'UnauthorizedError'; // The SDK does not retry the latter.
        throw error;
      }
      const wait = Math.min(answer.retryAfter * 1000, LongestWait);
      await new Promise((resolve) => { setTimeout(resolve, wait + Math.random() * wait * 0.2); });
    }
  }

  async ask() {
    const { identity, secret, bearer } = this.credential;
    try {
      const response = await fetch(this.url, {
        method: 'POST',
        redirect: 'error',
        headers: { 'content-type': 'application/json', ...(bearer ? { authorization: `Bearer ${bearer}` } : {}) },
        body: JSON.stringify({ ...(bearer ? {} : { identity, secret }), lifetimeSeconds: this.options.lifetimeSeconds }),
        signal: AbortSignal.timeout(20_000),
      });
      const body = await response.json();
      return response.ok ? { issued: body }
        : { problem: `${response.status} ${body.message}`, retryAfter: [429, 503].includes(response.status) ? Number(response.headers.get('retry-after') ?? 1) : undefined };
    } catch (error) {
      return { problem: error.cause?.message ?? error.message, retryAfter: 5 };
    }
  }

  credentials() {
    return { host: this.issued.hostName, deviceId: this.issued.deviceId, sharedAccessSignature: this.issued.token };
  }

  schedule(milliseconds) {
    clearTimeout(this.timer);
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.renew().then((renewed) => this.emit('newTokenAvailable', renewed), (error) => this.emit('error', error));
    }, Math.max(1000, milliseconds));
    this.timer.unref?.();
  }
}
