// A sheet of paper: strokes of a round pen, sent as a PNG of dark ink on white.

const PEN_SHARE = 0.06; // width of the pen, of the sheet's side: as thick as the lines of the training digits

const sheet = /** @type {HTMLCanvasElement} */ (document.getElementById('sheet'));
const pen = /** @type {CanvasRenderingContext2D} */ (sheet.getContext('2d'));
const buttons = Object.fromEntries(['keep', 'undo', 'clear'].map((id) => [id, /** @type {HTMLButtonElement} */ (document.getElementById(id))]));
const said = /** @type {HTMLElement} */ (document.getElementById('said'));

/** @type {[number, number][][]} */
let strokes = [];
let drawing = false;

/** The place of a pointer, in pixels of the sheet. @param {PointerEvent} event @returns {[number, number]} */
function place(event) {
  const { left, top, width, height } = sheet.getBoundingClientRect();
  return [((event.clientX - left) / width) * sheet.width, ((event.clientY - top) / height) * sheet.height];
}

/** Draw all strokes anew. */
function show() {
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, sheet.width, sheet.height);
  Object.assign(pen, { strokeStyle: '#000', lineWidth: PEN_SHARE * sheet.width, lineCap: 'round', lineJoin: 'round' });
  for (const stroke of strokes) {
    pen.beginPath();
    pen.moveTo(...stroke[0]);
    for (const point of stroke) pen.lineTo(...point);
    pen.stroke();
  }
  for (const button of Object.values(buttons)) button.disabled = strokes.length === 0;
}

/** Send the drawing; the page is of no use after that. */
async function keep() {
  const png = await new Promise((done) => sheet.toBlob(done, 'image/png'));
  try {
    const answer = await fetch(location.pathname, { method: 'POST', body: png });
    said.textContent = answer.ok ? 'Kept. Go on in the terminal; this page can be closed.' : await answer.text();
    if (answer.ok) for (const button of Object.values(buttons)) button.disabled = true;
  } catch {
    said.textContent = 'The program that opened this page is gone. Start it again.';
  }
}

sheet.addEventListener('pointerdown', (event) => {
  sheet.setPointerCapture(event.pointerId);
  drawing = true;
  strokes.push([place(event)]);
  show();
});
sheet.addEventListener('pointermove', (event) => {
  if (!drawing) return;
  for (const part of event.getCoalescedEvents?.() ?? []) strokes[strokes.length - 1].push(place(part));
  strokes[strokes.length - 1].push(place(event));
  show();
});
for (const end of ['pointerup', 'pointercancel']) sheet.addEventListener(end, () => { drawing = false; });
buttons.undo.addEventListener('click', () => {
  strokes.pop();
  show();
});
buttons.clear.addEventListener('click', () => {
  strokes = [];
  show();
});
buttons.keep.addEventListener('click', keep);
show();
