// The page of the demo: it shows what the terminal says on /events and sends what the visitor wants. It decides nothing.
// Every text from the terminal reaches the page through textContent, never as markup; nothing is loaded from elsewhere.
// Order: what is known → events → the three columns → banner → controls → audit trail. visitor.js has “Try it yourself”.

// Rows of the audit table: what the terminal sends again after a lost connection, and room for a long look.
const ROWS_MAX = 200;
// A picture older than this is marked as old; the terminal sends several in a second.
const STALE_AFTER_MS = 1500;
// Numbers that change more often than this cannot be read.
const STAGES_EVERY_MS = 250;
// A connection that is not there after this time is reported; a shorter gap worries nobody.
const LOST_AFTER_MS = 1200;
// An event stream that the browser gave up is opened again after this time.
const RECONNECT_MS = 2000;
// Longer than an enrolment takes on a slow board; after this an answer will not come.
const ANSWER_WAIT_MS = 30_000;

const CUE_ICONS = {
  idle: 'eye', watching: 'eye', advice: 'alert', granted: 'passed', denied: 'rejected', alarm: 'alert', fire: 'open',
  out_of_order: 'alert',
};
const DOOR_WORDS = {
  unknown: 'The door contact has not spoken yet; the lock is shut.',
  secured: 'Closed and locked.',
  unlocking: 'The entry is on record; the lock is being released.',
  unlocked: 'The lock is released: the door can be pushed open.',
  open: 'The door is open.',
  held_open: 'Alarm: the door has been open for too long.',
  forced: 'Alarm: the door was opened without permission.',
  lockdown: 'Locked down: nobody gets in. Leaving is always possible.',
  fire: 'Fire: the lock is released, so that everybody can leave.',
};
const DOOR_ALARMS = ['held_open', 'forced', 'lockdown', 'fire'];
const OUTCOME_WORDS = { passed: 'passed', rejected: 'stopped here', fault: 'broken', not_reached: 'not reached' };
const WAITING_WORDS = {
  idle: ['Nobody asks to enter', 'The terminal waits. Whoever only walks past leaves no trace.'],
  watching: ['Looking…', 'Several pictures in a row must agree before it decides.'],
  decided: ['Decided', ''],
  cool_down: ['A pause after a refusal', 'Whoever tries again and again has to wait longer each time.'],
  blind: ['The terminal cannot see, so the door stays shut', 'A camera or a model is broken. Use another way in, such as a card, or call for help.'],
};

// What is known: the newest of each kind, as the terminal said it.
export const known = { terminal: null, decision: null, frameAt: 0, pictureAt: 0, stages: [], scenes: '', lostTimer: 0 };
const entries = new Map();
// What has to be done before another scene begins.
export const beforeScene = [];

export function byId(id) {
  return document.getElementById(id);
}

// Writes only what changed, so that assistive technology is not told the same again.
export function write(node, text) {
  const words = text ?? '';
  if (node.textContent !== words) node.textContent = words;
}

export function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(document.createElementNS('http://www.w3.org/2000/svg', 'use'));
  setIcon(svg.firstChild, name);
  return svg;
}

function setIcon(use, name) {
  const href = byId(`i-${name}`) ? `#i-${name}` : '#i-visitor';
  if (use.getAttribute('href') !== href) use.setAttribute('href', href);
}

function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

// ---- events ----------------------------------------------------------------------------------------------------

const SHOW = {
  frame: takeFrame, terminal: showTerminal, decision: showDecision, entry: showEntry, acknowledged: showAcknowledged,
  problem: showProblem,
};

function connect() {
  const events = new EventSource('/events');
  events.addEventListener('open', () => {
    showConnected(true);
    void loadScenes();
  });
  events.addEventListener('error', () => {
    showConnected(false);
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, RECONNECT_MS);
  });
  for (const [name, show] of Object.entries(SHOW)) {
    events.addEventListener(name, (event) => show(JSON.parse(event.data)));
  }
}

function showConnected(connected) {
  document.body.dataset.connected = String(connected);
  write(byId('connection'), connected ? 'running' : 'not there');
  clearTimeout(known.lostTimer);
  byId('lost').hidden = true;
  if (connected) return;
  known.lostTimer = setTimeout(() => {
    write(byId('lost'), 'The demo has ended or lost its connection. Start it again with “doord demo”; this page then goes on by itself.');
    byId('lost').hidden = false;
    document.dispatchEvent(new Event('lost'));
  }, LOST_AFTER_MS);
}

// Sends one request; the answer is always words, never an exception.
export async function send(method, path, body, type) {
  try {
    const headers = type ? { 'Content-Type': type } : {};
    const answer = await fetch(path, { method, headers, body, signal: AbortSignal.timeout(ANSWER_WAIT_MS) });
    const text = await answer.text();
    const said = text && answer.headers.get('Content-Type')?.includes('json') ? JSON.parse(text) : null;
    const refusal = answer.ok ? '' : `The demo refused this (answer ${answer.status}).`;
    return { ok: answer.ok, said, words: said?.message ?? said?.error ?? refusal };
  } catch {
    return { ok: false, said: null, words: 'The demo does not answer. It may have ended.' };
  }
}

export function sendJson(path, value) {
  return send('POST', path, JSON.stringify(value), 'application/json');
}

export function say(node, words, ok) {
  write(node, words);
  node.dataset.ok = String(ok);
}

// ---- 1: what the terminal sees ---------------------------------------------------------------------------------

// The newest picture wins; those that arrive while one is drawn are dropped.
let nextFrame = null;
let drawing = false;

async function takeFrame(frame) {
  nextFrame = frame;
  if (drawing) return;
  drawing = true;
  while (nextFrame) {
    const current = { ...nextFrame, stages: nextFrame.stages ?? known.stages };
    known.stages = current.stages;
    nextFrame = null;
    known.frameAt = Date.now();
    // A picture that is missing or cannot be decoded is left out; the veil tells if none follows.
    await drawFrame(current).catch(() => null);
    showThumb(byId('infrared'), current.infrared, 'infrared');
    showThumb(byId('depth'), current.depth, 'depth');
    showStages(current);
    showVeil();
  }
  drawing = false;
}

async function drawFrame(frame) {
  const picture = await decoded(frame.jpeg);
  const canvas = byId('picture');
  const scale = Math.min(3, Math.max(1, (canvas.clientWidth * devicePixelRatio) / frame.width));
  const [width, height] = [Math.round(frame.width * scale), Math.round(frame.height * scale)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.drawImage(picture, 0, 0, frame.width, frame.height);
  if (frame.box) drawFace(pen, frame, frame.width / Math.max(1, canvas.clientWidth));
  known.pictureAt = Date.now();
  const label = frame.box ? `Live picture: one face. ${faceWords(frame)}` : 'Live picture: no face found';
  if (canvas.getAttribute('aria-label') !== label) canvas.setAttribute('aria-label', label);
}

async function decoded(url) {
  if (!url?.startsWith('data:image/')) throw new TypeError('not a picture');
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  return picture;
}

function stoppedAt(frame) {
  return frame.stages.find((stage) => stage.outcome === 'rejected' || stage.outcome === 'fault');
}

function faceWords(frame) {
  const stopped = stoppedAt(frame);
  if (stopped) return `✕ ${stageTitle(stopped)}`;
  return frame.stages.every((stage) => stage.outcome === 'passed') ? '✓ Live face' : 'Face';
}

// Corner marks and a label; dashed where a stage stopped, so that colour is not the only sign. `unit` is one pixel of the
// page in pixels of the picture: lines and letters keep their size in every window.
function drawFace(pen, frame, unit) {
  const [x, y, w, h] = frame.box;
  const stopped = stoppedAt(frame);
  const colour = stopped ? '#ff7a6b' : '#4ade80';
  const corner = Math.min(w, h) * 0.2;
  const marks = new Path2D();
  for (const [cx, cy, dx, dy] of [[x, y, 1, 1], [x + w, y, -1, 1], [x, y + h, 1, -1], [x + w, y + h, -1, -1]]) {
    marks.moveTo(cx + dx * corner, cy);
    marks.lineTo(cx, cy);
    marks.lineTo(cx, cy + dy * corner);
  }
  const outline = new Path2D();
  outline.rect(x, y, w, h);
  pen.setLineDash(stopped ? [10 * unit, 6 * unit] : []);
  for (const [style, width] of [['rgb(0 0 0 / 55%)', 4.5], [colour, 2.5]]) {
    Object.assign(pen, { strokeStyle: style, lineWidth: width * unit });
    pen.stroke(stopped ? outline : marks);
  }
  pen.setLineDash([]);
  for (const [px, py] of frame.landmarks ?? []) {
    pen.beginPath();
    pen.arc(px, py, 3 * unit, 0, 2 * Math.PI);
    Object.assign(pen, { fillStyle: '#ffffff', strokeStyle: 'rgb(0 0 0 / 70%)', lineWidth: 1.5 * unit });
    pen.fill();
    pen.stroke();
  }
  drawLabel(pen, frame, colour, unit);
}

function drawLabel(pen, frame, colour, unit) {
  const [x, y, w, h] = frame.box;
  const words = faceWords(frame);
  pen.font = `600 ${13 * unit}px system-ui, sans-serif`;
  const [width, height] = [pen.measureText(words).width + 14 * unit, 22 * unit];
  const left = Math.max(4, Math.min(x + w / 2 - width / 2, frame.width - width - 4));
  const top = y > height + 8 * unit ? y - height - 6 * unit : Math.min(y + h + 6 * unit, frame.height - height - 4);
  pen.fillStyle = 'rgb(10 14 20 / 80%)';
  pen.beginPath();
  pen.roundRect(left, top, width, height, 6 * unit);
  pen.fill();
  pen.fillStyle = colour;
  pen.textBaseline = 'middle';
  pen.fillText(words, left + 7 * unit, top + height / 2);
}

function showThumb(figure, url, sensor) {
  const picture = figure.querySelector('img');
  const good = Boolean(url?.startsWith('data:image/'));
  picture.hidden = !good;
  if (good) picture.src = url;
  picture.alt = good ? `Live ${sensor} picture` : '';
  const fitted = known.terminal?.sensors.includes(sensor) ?? true;
  write(figure.querySelector('span'), good ? '' : fitted ? 'No picture' : 'Not fitted');
}

// What is old is veiled, except while it explains the decision that was just taken.
function showVeil() {
  const attempt = known.terminal?.attempt;
  const old = (at) => Date.now() - at > STALE_AFTER_MS && attempt !== 'decided' && attempt !== 'cool_down';
  document.body.dataset.stale = String(old(known.frameAt));
  byId('veil').hidden = !old(known.pictureAt) && attempt !== 'blind';
  const words = known.pictureAt === 0 ? 'Waiting for the first picture' : 'No new picture';
  write(byId('veil'), attempt === 'blind' ? 'The camera gives no picture' : words);
}

// ---- 2: how it makes up its mind -------------------------------------------------------------------------------

let stagesAt = 0;
let stagesShown = '';

function showStages(frame) {
  const shown = frame.stages.map((stage) => stage.outcome).join();
  if (shown === stagesShown && Date.now() - stagesAt < STAGES_EVERY_MS) return;
  [stagesShown, stagesAt] = [shown, Date.now()];
  frame.stages.forEach((stage) => showStage(stage));
  if (Number.isFinite(frame.total_ms)) write(byId('total'), `${frame.total_ms.toFixed(1)} ms a picture`);
}

function stageRow(name) {
  const list = byId('stages');
  let row = [...list.children].find((child) => child.dataset.stage === name);
  if (!row) {
    row = make('li');
    row.dataset.stage = name;
    list.lastElementChild.before(row);
  }
  if (row.childElementCount === 0) {
    const mark = make('span', 'mark');
    mark.append(icon('not_reached'));
    const meter = make('span', 'meter');
    meter.append(make('span', 'fill'), make('span', 'floor'));
    row.append(mark, make('span', 'stage-title'), make('span', 'score'), make('span', 'ms'), make('span', 'note'), make('span', 'unseen'), meter);
  }
  return row;
}

// Steps that the page knows have a short name and a question of its own; any other is named by the terminal.
function stageTitle(stage) {
  return stageRow(stage.name).dataset.title ?? stage.title;
}

function showStage(stage) {
  const row = stageRow(stage.name);
  const part = (name) => row.querySelector(`.${name}`);
  row.dataset.outcome = stage.outcome;
  setIcon(row.querySelector('use'), stage.outcome);
  write(part('stage-title'), stageTitle(stage));
  write(part('note'), stage.note ?? row.dataset.what);
  write(part('unseen'), OUTCOME_WORDS[stage.outcome]);
  write(part('ms'), Number.isFinite(stage.ms) ? `${stage.ms.toFixed(1)} ms` : '');
  const max = stage.score_max || 1;
  const number = (value) => value.toFixed(max > 1 ? 0 : 2);
  const [scored, floored] = [Number.isFinite(stage.score), Number.isFinite(stage.floor)];
  write(part('score'), scored ? number(stage.score) + (floored ? `, needs ${number(stage.floor)}` : '') : '');
  const share = (value) => `${100 * Math.max(0, Math.min(1, value / max))}%`;
  part('meter').dataset.empty = String(!scored);
  part('meter').style.setProperty('--score', scored ? share(stage.score) : '0%');
  part('floor').hidden = !floored;
  part('meter').style.setProperty('--floor', floored ? share(stage.floor) : '0%');
}

// The last step belongs to the decision, which rests on several pictures.
function showCompare() {
  const { decision } = known;
  const stage = { name: 'compare', outcome: 'not_reached', score: null, floor: null, score_max: 1, ms: null, note: null };
  if (decision) {
    const { scores } = decision;
    stage.outcome = decision.granted ? 'passed' : scores ? 'rejected' : 'not_reached';
    stage.note = scores
      ? `Likeness over ${count(scores.frames, 'picture', 'pictures')}, among ${count(scores.gallery, 'reference', 'references')}` +
        (scores.runner_up > -1 ? `; next best ${scores.runner_up.toFixed(2)}.` : '.')
      : 'Nobody was looked up: an earlier step said no.';
    if (scores) Object.assign(stage, { score: scores.comparison_score, floor: scores.threshold });
  }
  showStage(stage);
}

// ---- 3: what the door does -------------------------------------------------------------------------------------

function showTerminal(said) {
  const terminal = { ...said, sensors: said.sensors ?? [], cue: said.cue ?? { kind: 'idle', text: '' } };
  const before = known.terminal;
  known.terminal = terminal;
  // What was decided in another scene, or before the terminal went blind, says nothing of this moment.
  if ((before && before.scene !== terminal.scene) || terminal.attempt === 'blind') known.decision = null;
  document.body.dataset.scene = terminal.scene ?? '';
  document.body.dataset.attempt = terminal.attempt;
  showDoor(terminal);
  showFacts(terminal);
  showNetwork(terminal);
  showLockout();
  showPressed();
  showBanner();
  showVeil();
  document.dispatchEvent(new Event('terminal'));
}

function showDoor(terminal) {
  const door = byId('door');
  door.dataset.state = terminal.door;
  door.dataset.leaf = terminal.leaf_open ? 'open' : 'closed';
  door.dataset.alarm = String(DOOR_ALARMS.includes(terminal.door));
  write(byId('door-words'), DOOR_WORDS[terminal.door]);
  byId('lamp').dataset.released = String(terminal.relay_released);
  setIcon(byId('lamp-icon'), terminal.relay_released ? 'unlock' : 'lock');
  write(byId('lamp-words'), terminal.relay_released ? 'Released' : 'Locked');
  byId('panel').dataset.kind = terminal.cue.kind;
  setIcon(byId('panel-icon'), CUE_ICONS[terminal.cue.kind]);
  write(byId('panel-text'), terminal.cue.text);
}

function showFacts(terminal) {
  write(byId('persons'), count(terminal.persons, 'person', 'people'));
  write(byId('sensors'), terminal.sensors.length > 0 ? terminal.sensors.join(', ') : 'none');
  write(byId('level'), terminal.level);
  write(byId('models'), terminal.models);
  byId('assurance').hidden = !(terminal.level ?? '').startsWith('convenience');
  byId('composites').hidden = !terminal.composites;
}

// ---- the decision in words -------------------------------------------------------------------------------------

function showDecision(decision) {
  known.decision = decision ? { ...decision, receivedAt: Date.now() } : null;
  showBanner();
}

function bannerWords() {
  const { terminal, decision } = known;
  if (terminal?.door === 'fire') return ['fault', 'open', 'Fire alarm: the door is released', 'Leaving never depends on the terminal.'];
  if (terminal?.attempt === 'blind') return ['fault', 'alert', ...WAITING_WORDS.blind];
  if (decision) return [decision.granted ? 'granted' : 'denied', decision.granted ? 'open' : 'lock', decision.headline, decision.reason];
  if (!terminal) return ['waiting', 'eye', 'Connecting to the terminal…', ''];
  if (terminal.cue.kind === 'advice') return ['waiting', 'eye', 'Not decided yet', `The panel asks: ${terminal.cue.text}`];
  return ['waiting', 'eye', ...WAITING_WORDS[terminal.attempt]];
}

function showBanner() {
  const [tone, sign, headline, reason] = bannerWords();
  const banner = byId('decision');
  const decision = tone === 'granted' || tone === 'denied' ? known.decision : null;
  banner.dataset.tone = tone;
  for (const [name, value] of [['granted', decision?.granted], ['seq', decision?.seq]]) {
    if (decision) banner.dataset[name] = String(value);
    else delete banner.dataset[name];
  }
  setIcon(byId('decision-icon'), sign);
  write(byId('headline'), headline);
  write(byId('reason'), reason);
  if (tone !== 'waiting') write(byId('announce'), `${headline}. ${reason}`);
  else if (known.terminal?.attempt === 'idle') write(byId('announce'), '');
  showDecisionFacts(decision);
  showCompare();
}

function showDecisionFacts(decision) {
  const facts = [];
  if (decision) {
    const { scores } = decision;
    if (Number.isFinite(decision.frame_to_relay_ms)) facts.push(['from picture to lock', `${decision.frame_to_relay_ms.toFixed(0)} ms`]);
    if (scores) facts.push([`likeness, ${scores.threshold.toFixed(2)} needed`, scores.comparison_score.toFixed(2)]);
    if (scores && Number.isFinite(scores.liveness)) facts.push(['alive, of 100', scores.liveness.toFixed(0)]);
    facts.push([`rule; entry ${decision.seq}, ${age(decision)} ago`, decision.rule]);
  }
  const list = byId('decision-facts');
  while (list.childElementCount > facts.length) list.lastElementChild.remove();
  facts.forEach(([words, value], index) => {
    const row = list.children[index] ?? list.appendChild(make('li'));
    if (!row.firstChild) row.append(make('b'), make('span'));
    write(row.firstChild, value);
    write(row.lastChild, words);
  });
}

function age(decision) {
  const seconds = Math.max(0, Math.round((Date.now() - (entries.get(decision.seq)?.at_ms ?? decision.receivedAt)) / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}

function showProblem(problem) {
  byId('problem').hidden = !problem;
  write(byId('problem-title'), problem?.title);
  write(byId('problem-text'), problem?.text);
  byId('problem-do').replaceChildren(...(problem?.do ?? []).map((step) => make('li', '', step)));
  void loadScenes();
}

// ---- scenes, network, lockout ----------------------------------------------------------------------------------

export async function loadScenes() {
  const answer = await send('GET', '/scenes');
  const scenes = answer.ok ? answer.said : null;
  if (!scenes || JSON.stringify(scenes) === known.scenes) return;
  known.scenes = JSON.stringify(scenes);
  const mine = scenes.filter((scene) => scene.id.startsWith('visitor'));
  fillChoices(byId('scenes'), scenes.filter((scene) => !mine.includes(scene)), byId('scene-said'));
  fillChoices(byId('visitor-scenes'), mine, byId('visitor-said'));
  showPressed();
}

function fillChoices(list, scenes, said) {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.sceneId : null;
  list.quiet ??= list.querySelector('.quiet');
  list.replaceChildren(...scenes.map((scene) => choice(scene, said)));
  if (scenes.length === 0) list.append(list.quiet);
  [...list.children].find((button) => focused && button.dataset.sceneId === focused)?.focus();
}

function choice(scene, said) {
  const button = make('button', 'choice');
  button.type = 'button';
  button.dataset.sceneId = scene.id;
  button.setAttribute('aria-disabled', String(!scene.available));
  const words = make('span');
  words.append(make('b', '', scene.title), make('small', '', scene.available ? scene.text : (scene.why_not ?? 'Not available here.')));
  button.append(icon(scene.id.replace(/^visitor_/, '')), words);
  button.addEventListener('click', () => {
    if (scene.available) void play(scene.id, said);
    else say(said, scene.why_not ?? 'This scene is not available here.', false);
  });
  return button;
}

async function play(id, said) {
  const before = known.decision;
  known.decision = null;
  showBanner();
  for (const step of beforeScene) await step();
  const answer = await sendJson('/scene', { id });
  say(said, answer.words, answer.ok);
  if (answer.ok || known.decision) return;
  known.decision = before;
  showBanner();
}

function showPressed() {
  for (const button of document.querySelectorAll('[data-scene-id]')) {
    button.setAttribute('aria-pressed', String(button.dataset.sceneId === known.terminal?.scene));
  }
}

function showNetwork(terminal) {
  byId('network').setAttribute('aria-checked', String(terminal.network_up));
  write(byId('network-words'), terminal.network_up ? 'Network on' : 'Network cut');
  byId('backlog').dataset.waiting = String(terminal.backlog);
  write(byId('backlog'), `${count(terminal.backlog, 'entry', 'entries')} waiting for the centre`);
}

function showLockout() {
  const left = (known.terminal?.locked_out_until_ms ?? 0) - Date.now();
  byId('lockout').hidden = left <= 0;
  const minutes = Math.ceil(left / 60_000);
  write(byId('lockout-words'), left > 0 ? `Too many attempts to cheat: faces are refused for another ${count(minutes, 'minute', 'minutes')}.` : '');
}

// ---- audit trail -----------------------------------------------------------------------------------------------

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

function showEntry(entry) {
  const body = byId('entries');
  // The same number with another fingerprint: a new demo with a trail of its own.
  if (entries.has(entry.seq) && entries.get(entry.seq).hash !== entry.hash) {
    entries.clear();
    body.replaceChildren();
  }
  const old = entries.get(entry.seq);
  entries.set(entry.seq, entry);
  if (old) return showCentre(entry);
  const row = entryRow(entry);
  body.insertBefore(row, [...body.rows].find((other) => Number(other.dataset.seq) < entry.seq) ?? null);
  while (body.rows.length > ROWS_MAX) {
    entries.delete(Number(body.lastElementChild.dataset.seq));
    body.lastElementChild.remove();
  }
  for (const shown of body.rows) {
    const below = shown.nextElementSibling;
    shown.dataset.link = below ? (Number(below.dataset.seq) === Number(shown.dataset.seq) - 1 ? 'holds' : 'hidden') : 'end';
  }
  byId('no-entries').hidden = true;
}

function entryRow(entry) {
  const row = make('tr');
  row.dataset.seq = String(entry.seq);
  row.dataset.kind = entry.kind;
  row.dataset.fresh = String(Date.now() - entry.at_ms < 3000);
  const time = make('time', '', CLOCK.format(entry.at_ms));
  time.dateTime = new Date(entry.at_ms).toISOString();
  const hash = make('code', '', entry.hash.slice(0, 8));
  hash.title = entry.hash;
  const cells = [make('td', 'seq', String(entry.seq)), make('td', 'at'), make('td', 'what', entry.text), make('td', 'hash'), make('td', 'centre')];
  cells[1].append(time);
  cells[3].append(hash);
  cells[4].append(icon('waiting'), make('span'));
  row.append(...cells);
  markCentre(row, entry.acknowledged);
  return row;
}

function showCentre(entry) {
  const row = [...byId('entries').rows].find((other) => Number(other.dataset.seq) === entry.seq);
  if (row) markCentre(row, entry.acknowledged);
}

function markCentre(row, acknowledged) {
  row.dataset.acknowledged = String(acknowledged);
  setIcon(row.querySelector('.centre use'), acknowledged ? 'passed' : 'waiting');
  write(row.querySelector('.centre span'), acknowledged ? 'has it' : 'waits');
}

function showAcknowledged({ through }) {
  for (const entry of entries.values()) {
    if (entry.seq > through || entry.acknowledged) continue;
    entry.acknowledged = true;
    showCentre(entry);
  }
}

// ---- start -----------------------------------------------------------------------------------------------------

byId('network').addEventListener('click', async () => {
  const answer = await sendJson('/network', { up: byId('network').getAttribute('aria-checked') !== 'true' });
  say(byId('scene-said'), answer.words, answer.ok);
});
byId('lockout-clear').addEventListener('click', async () => {
  const answer = await send('POST', '/lockout/clear');
  say(byId('scene-said'), answer.words, answer.ok);
});
for (const row of byId('stages').children) showStage({ name: row.dataset.stage, outcome: 'not_reached' });
connect();
setInterval(() => {
  showVeil();
  showLockout();
  if (known.decision) showDecisionFacts(byId('decision').dataset.seq ? known.decision : null);
}, 1000);
