// “Try it yourself” on the page of the demo: a photograph or the browser's camera, enrolling, and being forgotten.
// Pictures go to the terminal on this machine and nowhere else.
import { beforeScene, byId, known, loadScenes, make, say, send, sendJson, write } from './page.js';

// Larger photographs are shrunk to this edge in the browser, which also turns them upright and drops their metadata.
const PHOTO_EDGE_MAX = 1600;
// A file above this is no photograph, and reading it would stall the page.
const PHOTO_BYTES_MAX = 40_000_000;
// What the terminal takes as one camera picture, and how often.
const CAMERA = { width: 640, height: 480, bytesMax: 200_000, everyMs: 100, failuresMax: 5 };
// Tried in this order until a camera picture is small enough.
const JPEG_QUALITIES = [0.85, 0.6, 0.35];

const camera = { stream: null };
let shownVisitor;

function showVisitor() {
  const visitor = known.terminal?.visitor ?? null;
  byId('enrol').disabled = !visitor && !camera.stream;
  byId('forget').disabled = !visitor && !camera.stream;
  let words = camera.stream ? 'Look straight at the camera, then enrol.' : 'First show your face.';
  if (visitor) words = 'The terminal has your picture, but does not know you: it keeps you out.';
  if (visitor?.enrolled) words = `The terminal knows you as “${visitor.name}”.`;
  write(byId('visitor-words'), words);
  byId('camera').setAttribute('aria-pressed', String(camera.stream !== null));
  write(byId('camera-words'), camera.stream ? 'Turn my camera off' : 'Use my camera');
  const key = JSON.stringify(visitor);
  if (shownVisitor !== key) void loadScenes();
  shownVisitor = key;
}

async function takePhoto(file) {
  const said = byId('visitor-said');
  if (!file) return;
  if (file.size > PHOTO_BYTES_MAX) return say(said, 'This file is too large for a photograph. Choose one below 40 MB.', false);
  say(said, 'Looking at the photograph…', true);
  const photo = await upright(file);
  if (!photo) return say(said, 'This file is not a photograph that the browser can read. Choose a JPEG or PNG file.', false);
  const answer = await send('POST', '/visitor', photo, photo.type);
  say(said, answer.words || 'The terminal has your photograph.', answer.ok);
}

// Turns a photograph upright as its metadata says and shrinks it. Gives null where the browser cannot read it.
async function upright(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return null;
  const scale = Math.min(1, PHOTO_EDGE_MAX / Math.max(bitmap.width, bitmap.height));
  const canvas = Object.assign(make('canvas'), { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.92));
}

async function enrol() {
  byId('enrol').disabled = true;
  say(byId('visitor-said'), 'Enrolling…', true);
  const answer = await send('POST', '/visitor/enrol');
  say(byId('visitor-said'), answer.words || 'You are enrolled.', answer.ok);
  showVisitor();
}

async function forget() {
  if (camera.stream) await stopCamera('');
  const answer = await send('DELETE', '/visitor');
  say(byId('visitor-said'), answer.words || 'You are forgotten.', answer.ok);
}

async function startCamera() {
  const said = byId('visitor-said');
  if (!navigator.mediaDevices?.getUserMedia) {
    return say(said, 'The browser gives a camera only to pages of this machine. Open this page by its localhost address.', false);
  }
  let stream;
  try {
    const video = { width: { ideal: CAMERA.width }, height: { ideal: CAMERA.height }, facingMode: 'user' };
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video });
  } catch (error) {
    const denied = error.name === 'NotAllowedError';
    return say(said, denied ? 'The browser was not allowed to use the camera.' : 'No camera was found, or another program holds it.', false);
  }
  const answer = await sendJson('/camera', { on: true });
  if (!answer.ok) {
    stream.getTracks().forEach((track) => track.stop());
    return say(said, answer.words, false);
  }
  camera.stream = stream;
  stream.getVideoTracks()[0].addEventListener('ended', () => void stopCamera('The camera was taken away.'));
  say(said, 'The terminal looks through your camera. Hold a photograph of yourself before it, too.', true);
  lookUp();
  showVisitor();
  void sendPictures(stream);
}

async function stopCamera(words) {
  camera.stream?.getTracks().forEach((track) => track.stop());
  camera.stream = null;
  say(byId('visitor-said'), words, true);
  showVisitor();
  await sendJson('/camera', { on: false });
}

// One picture is on its way at a time, so that a slow terminal is never flooded.
async function sendPictures(stream) {
  const video = Object.assign(make('video'), { srcObject: stream, muted: true, playsInline: true });
  await video.play().catch(() => null);
  const canvas = Object.assign(make('canvas'), { width: CAMERA.width, height: CAMERA.height });
  let failures = 0;
  while (camera.stream === stream) {
    const began = performance.now();
    const picture = video.videoWidth > 0 ? await capture(video, canvas) : null;
    if (picture && camera.stream === stream) {
      const answer = await send('POST', '/camera/frame', picture, 'image/jpeg');
      failures = answer.ok ? 0 : failures + 1;
      if (failures >= CAMERA.failuresMax && camera.stream === stream) return stopCamera(answer.words);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, CAMERA.everyMs - (performance.now() - began))));
  }
}

// The middle of the picture in the terminal's proportions, as JPEG within the terminal's bound; null if none fits.
async function capture(video, canvas) {
  const scale = Math.max(CAMERA.width / video.videoWidth, CAMERA.height / video.videoHeight);
  const [width, height] = [video.videoWidth * scale, video.videoHeight * scale];
  canvas.getContext('2d').drawImage(video, (CAMERA.width - width) / 2, (CAMERA.height - height) / 2, width, height);
  for (const quality of JPEG_QUALITIES) {
    const picture = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', quality));
    if (picture && picture.size <= CAMERA.bytesMax) return picture;
  }
  return null;
}

// The picture, the steps and the door are further up; whoever acts down here wants to see them.
function lookUp() {
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  byId('board').scrollIntoView({ behavior: calm ? 'instant' : 'smooth' });
}

function listen() {
  byId('photo').addEventListener('change', (event) => {
    void takePhoto(event.target.files[0]);
    event.target.value = '';
  });
  byId('camera').addEventListener('click', () => void (camera.stream ? stopCamera('Your camera is off.') : startCamera()));
  byId('enrol').addEventListener('click', () => void enrol());
  byId('visitor-scenes').addEventListener('click', (event) => {
    if (event.target.closest('[aria-disabled="false"]')) lookUp();
  });
  byId('forget').addEventListener('click', () => void forget());
  // A photograph may be dropped anywhere: beside the box, the browser would leave the page and show the file.
  for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]]) {
    addEventListener(name, (event) => {
      if (name !== 'dragleave') event.preventDefault();
      byId('drop').dataset.over = String(over);
      if (name === 'drop') void takePhoto(event.dataTransfer?.files[0]);
    });
  }
  document.addEventListener('terminal', showVisitor);
  document.addEventListener('lost', () => {
    if (camera.stream) void stopCamera('The camera is off, because the demo does not answer.');
  });
  beforeScene.push(async () => {
    if (camera.stream) await stopCamera('Your camera is off; the terminal looks at the scene.');
  });
  addEventListener('pagehide', () => {
    const headers = { 'Content-Type': 'application/json' };
    if (camera.stream) void fetch('/camera', { method: 'POST', keepalive: true, headers, body: '{"on":false}' });
  });
}

listen();
showVisitor();
