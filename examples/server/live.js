// Keeps the page true: countdowns every second, everything else every two. Without it the page works and stands still.
const page = document.body.dataset;
const one = selector => document.querySelector(selector);
const all = (selector, act) => document.querySelectorAll(selector).forEach(act);
const put = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
let ahead = page.now - Date.now(); // the server's clock before ours, in ms
let shown = ''; // the list of devices, without the times that tick anyway

function left(ms) {
  const s = Math.max(0, Math.floor(ms / 1000)), two = n => String(Math.floor(n) % 60).padStart(2, '0');
  const clock = s < 3600 ? `${Math.floor(s / 60)}:${two(s)}` : `${Math.floor(s / 3600) % 24}:${two(s / 60)}:${two(s)}`;
  return s < 86400 ? clock : `${Math.floor(s / 86400)} d ${clock}`;
}

function ago(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 5) return 'just now';
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  return s < 86400 ? `${Math.floor(s / 3600)} h ago` : `${Math.floor(s / 86400)} d ago`;
}

function tick() {
  const now = Date.now() + ahead;
  all('[data-until]', element => put(element, left(element.dataset.until - now)));
  all('[data-left]', element => { element.value = Math.max(0, element.dataset.left - now); });
  all('[data-since]', element => put(element, ago(now - element.dataset.since)));
}

function show(live) {
  ahead = live.now - Date.now();
  for (const [name, value] of Object.entries(live.figures)) put(one(`[data-figure=${name}]`), value);
  put(one('[data-opening]'), live.opening);
  put(one('[data-pid]'), String(live.process));
  if (live.idle) {
    put(one('[data-visits]'), String(live.visits));
    all('[data-idle] [data-until]', element => { element.dataset.until = live.idle; });
    all('[data-idle] [data-left]', element => { element.dataset.left = live.idle; });
  }
  const devices = one('[data-devices]'), still = live.devices.replace(/(="\d+">)[^<]*/g, '$1');
  if (devices && shown !== still) {
    devices.innerHTML = live.devices; // escaped by the server, like the page itself
    shown = still;
  }
}

function pulse(state, text) {
  const element = one('[data-pulse]');
  if (element) { element.dataset.pulse = state; put(element, text); }
}

async function poll() {
  try {
    if (!document.hidden) {
      const answer = await fetch('/live', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(answer.status);
      const live = await answer.json();
      if (live.handle !== page.handle) return location.reload(); // logged in or out somewhere else
      show(live);
      const same = String(live.process) === page.process;
      pulse('up', same ? 'live' : `live again, as process ${live.process}`);
    }
  } catch {
    pulse('down', 'no answer: is the server running?');
  }
  tick();
  setTimeout(poll, 2000);
}

if (one('[data-pulse]')) { setInterval(tick, 1000); poll(); }
