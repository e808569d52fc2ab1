// The figures of the hub as its operator API and /metrics give them. Nothing is computed here, nothing comes from elsewhere,
// and what devices chose is shown as text only.
const api = new URL('/$nave/v1/', location.href);
const most = 50;
const byId = (id) => document.getElementById(id);
let token = sessionStorage.getItem('nave-operator') ?? '';
let pending = false;
let running = false;

async function ask(path) {
  const shown = token;
  const answer = await fetch(new URL(path, api), { headers: { authorization: `Bearer ${shown}` }, cache: 'no-store' });
  if (answer.ok) return answer;
  if (answer.status !== 401) throw new Error(`${path} answered ${answer.status}.`);
  if (sessionStorage.getItem('nave-operator') === shown) sessionStorage.removeItem('nave-operator');
  throw new Error('The token is not that of this hub.');
}

const get = async (path) => (await ask(path)).json();

function row(cells) {
  const line = document.createElement('tr');
  line.replaceChildren(...cells.map((text) => {
    const cell = document.createElement('td');
    cell.textContent = text ?? '';
    return cell;
  }));
  return line;
}

const show = (id, lines) => byId(id).replaceChildren(...lines.map(row));

// Samples of one name, each with its first label's value.
function samples(text, name) {
  return text.split('\n').flatMap((line) => {
    const found = /^([a-z_]+)(?:\{[a-z_]+="([^"]*)".*\})? (\S+)/.exec(line);
    return found?.[1] === name ? [[found[2] ?? '', found[3]]] : [];
  });
}

export async function refresh() {
  const [summary, offline, failing, late, silences, metrics] = await Promise.all([
    get('heartbeats/summary'),
    get(`heartbeats/devices?state=offline&top=${most}`),
    get(`heartbeats/devices?state=failing&top=${most}`),
    get(`heartbeats/devices?state=late&top=${most}`),
    get('heartbeats/silences'),
    fetch(new URL('/metrics', api), { cache: 'no-store' }).then((answer) => answer.text()),
  ]);
  byId('hub').textContent = summary.isDeaf ? 'The hub takes no messages now, so nobody is called silent.' : summary.isLoaded ? '' : 'Devices are being loaded.';
  byId('at').textContent = new Date().toLocaleTimeString();
  byId('devices').textContent = `${summary.devices}`;
  show('states', Object.entries(summary.states).map(([state, count]) => [state, `${count}`]));
  show('connected', samples(metrics, 'nave_devices_connected'));
  show('messages', ['nave_messages_in_total', 'nave_messages_out_total', 'nave_messages_refused_total', 'nave_opmon_dropped_total'].map((name) => [
    name.slice('nave_'.length, -'_total'.length).replaceAll('_', ' '), samples(metrics, name)[0]?.[1] ?? '0',
  ]));
  show('refusals', samples(metrics, 'nave_refusals_total'));
  show('silent', [...failing.devices, ...offline.devices, ...late.devices].map((d) => [d.deviceId, d.state, d.since, d.lastSeen ?? 'never', d.rule, d.refusal]));
  show('silences', silences.map((s) => [s.name, s.devices?.join(', ') ?? s.group ?? 'all', s.until, s.note]));
}

// Not for each of a thousand transitions: once a second.
function refreshSoon() {
  if (pending) return;
  pending = true;
  setTimeout(() => {
    pending = false;
    refresh().then(fine, complain);
  }, 1000);
}

function fine() {
  byId('problem').textContent = '';
  byId('enter').hidden = true;
}

function complain(error) {
  byId('problem').textContent = error.message;
  byId('enter').hidden = false;
}

// Server-sent events with a header, which EventSource has none of.
export async function listen() {
  const answer = await ask('heartbeats/stream');
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\n\n');
    rest = parts.pop();
    for (const part of parts) {
      const [, kind, data] = /^event: (\S+)\ndata: (.*)$/s.exec(part) ?? [];
      if (!kind) continue;
      const body = JSON.parse(data);
      byId('events').prepend(row([body.since ?? body.at, kind, body.deviceId ?? body.group ?? 'hub', body.state ?? body.hub, body.cause]));
      while (byId('events').children.length > most) byId('events').lastElementChild.remove();
      refreshSoon();
    }
  }
}

export async function start() {
  await refresh();
  sessionStorage.setItem('nave-operator', token);
  fine();
  byId('figures').hidden = false;
  if (running) return; // Another token, or the button twice: what runs takes the token that counts now.
  running = true;
  setInterval(refreshSoon, 10_000);
  for (;;) {
    await listen().catch(complain); // The hub may be away: again, until the page is closed.
    await new Promise((resolve) => { setTimeout(resolve, 5_000); });
  }
}

byId('enter').addEventListener('submit', (event) => {
  event.preventDefault();
  token = byId('token').value.trim();
  start().catch(complain);
});
if (token) start().catch(complain);
