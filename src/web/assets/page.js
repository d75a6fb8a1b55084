// Keeps the status page fresh: puts in what the stream says is new, and counts times up and down.
const RETRY_MS = 15_000;
const SECOND_MS = 1000;

const NO_ANSWER = 'No answer from the module; what is shown is old';
const TOO_MANY = 'Too many pages are open; what is shown is old';

const { body } = document;
/** Two beats of the stream may be late. */
const SILENCE_MS = 2.5 * SECOND_MS * body.dataset.beat;
const MAX_SILENCE_MS = 4 * SILENCE_MS;
const live = document.getElementById('live');
const table = document.getElementById('images-rows');
const rows = new Map([...table.children].map((row) => [row.id.slice('image-'.length), row]));

/** The device's clock before this one's: what is shown is told by the device's. */
let aheadMs = Number(body.dataset.now) - Date.now();
let said = '';
let events;
let timer;
let patienceMs = SILENCE_MS;

function say(text, isLost) {
  body.classList.toggle('lost', isLost);
  if (text !== said) live.textContent = said = text;
}

/** `42 s`, `5 min`, `3 h 5 min`, `2 d 3 h`; with seconds up to ten minutes, where they are counted down. */
function formatDuration(seconds, isExact) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  let parts = [
    [minutes, 'min'],
    [seconds % 60, 's'],
  ];
  if (hours >= 24)
    parts = [
      [Math.floor(hours / 24), 'd'],
      [hours % 24, 'h'],
    ];
  else if (hours > 0)
    parts = [
      [hours, 'h'],
      [minutes % 60, 'min'],
    ];
  else if (minutes >= 10 || (minutes > 0 && !isExact)) parts.pop();
  return parts
    .filter(([count]) => count > 0)
    .map((part) => part.join(' '))
    .join(' ');
}

const FORMATS = {
  ago: (seconds) => (seconds < 5 ? 'just now' : `${formatDuration(seconds)} ago`),
  for: (seconds) => `for ${formatDuration(Math.max(seconds, 1))}`,
  in: (seconds) => (seconds < 0 ? `in ${formatDuration(-seconds, true)}` : 'now'),
};

function tick() {
  for (const time of document.querySelectorAll('main time')) {
    const atMs = Date.parse(time.dateTime);
    const seconds = Math.round((Date.now() + aheadMs - atMs) / SECOND_MS);
    const text = FORMATS[time.dataset.as](seconds);
    if (time.textContent !== text) time.textContent = text;
    time.title ||= new Date(atMs).toLocaleString();
  }
}

/** Puts HTML into an element, and leaves the focus where it was. */
function fill(element, text) {
  const href = element.contains(document.activeElement) && document.activeElement.getAttribute('href');
  element.innerHTML = text;
  if (href) [...element.querySelectorAll('a')].find((link) => link.getAttribute('href') === href)?.focus();
}

function toRow(text) {
  const template = document.createElement('template');
  template.innerHTML = text;
  return template.content.firstElementChild;
}

function take({ now, title, parts, rows: changed, order }) {
  aheadMs = now - Date.now();
  document.title = `${title} · ${body.dataset.device}`;
  for (const [id, text] of Object.entries(parts)) fill(document.getElementById(id), text);
  for (const [name, text] of Object.entries(changed)) {
    const row = toRow(text);
    rows.get(name)?.replaceWith(row);
    rows.set(name, row);
  }
  if (order) {
    const wanted = new Set(order);
    for (const [name, row] of rows) {
      if (wanted.has(name)) continue;
      row.remove();
      rows.delete(name);
    }
    order.forEach((name, index) => {
      const row = rows.get(name);
      if (table.children[index] !== row) table.insertBefore(row, table.children[index] ?? null);
    });
  }
  tick();
}

function later(action, delayMs) {
  clearTimeout(timer);
  timer = setTimeout(() => action(), delayMs);
}

/** Something came: the module is there. */
function hear() {
  say('Live', false);
  patienceMs = SILENCE_MS;
  later(giveUp, patienceMs);
}

/** A module that stands still or a lost link ends no connection. */
function giveUp() {
  say(NO_ANSWER, true);
  // All comes anew, which may take its time on a slow link.
  patienceMs = Math.min(patienceMs * 2, MAX_SILENCE_MS);
  listen();
}

function listen() {
  events?.close();
  const own = new EventSource(body.dataset.events);
  events = own;
  own.addEventListener('beat', hear);
  own.addEventListener('message', ({ data }) => {
    take(JSON.parse(data));
    hear();
  });
  own.addEventListener('error', () => {
    // The browser itself tries again after a lost connection, but not after a refusal, of which it tells nothing more.
    if (own.readyState !== EventSource.CLOSED) return say(NO_ANSWER, true);
    later(listen, RETRY_MS);
    const explain = (text) => events === own && say(text, true);
    fetch(body.dataset.events, { method: 'HEAD' }).then(
      ({ status }) => explain(status === 503 ? TOO_MANY : NO_ANSWER),
      () => explain(NO_ANSWER),
    );
  });
  later(giveUp, patienceMs);
}

/** A page that nobody sees takes none of the few streams that the module has, nor of the browser's six connections. */
function follow() {
  patienceMs = SILENCE_MS;
  if (!document.hidden) return listen();
  events?.close();
  events = undefined;
  clearTimeout(timer);
  // What is read first when it is seen again.
  say('Asking the module; what is shown is old', true);
}

tick();
setInterval(tick, SECOND_MS);
document.addEventListener('visibilitychange', follow);
follow();
