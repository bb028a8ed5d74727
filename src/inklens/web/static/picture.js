/**
 * A photo, a scan or a file becomes ink. In the studio the server's recipe does it, which copes with shadows, lines and
 * whole pages. Without a server the plain recipe does: grey levels, one threshold (Otsu), the same box and centre.
 */
import { normaliseDrawing } from './core.js';

const LONGER_SIDE = 400; // pixels at which a photo is looked at here
const MAX_BYTES = 40e6;
const LEVELS = 256;
const MIN_CONTRAST = 0.08; // of the ink against its paper, as the check before an answer asks

/**
 * @param {Blob | ImageBitmap} source @param {import('./app.js').App} app
 * @returns {Promise<{ kind: 'found', digits: { frame: Float64Array }[] }>}
 */
export async function openPicture(source, app) {
  if (source instanceof Blob && source.size > MAX_BYTES) throw new Error(app.t('draw.error.large'));
  const digits = app.host.api ? await app.host.api.read(await asFile(source)) : [await plainly(source, app)];
  const [first] = digits;
  app.setFrame(first.frame, { index: -1, label: null, name: app.t('draw.found.name', { number: 1 }) });
  return { kind: 'found', digits };
}

async function asFile(source) {
  if (source instanceof Blob) return source;
  const canvas = new OffscreenCanvas(source.width, source.height);
  canvas.getContext('2d').drawImage(source, 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}

async function plainly(source, app) {
  let bitmap = source;
  try {
    if (source instanceof Blob) bitmap = await createImageBitmap(source);
  } catch {
    throw new Error(app.t('draw.error.decode'));
  }
  const { gray, rows, cols } = grayLevels(bitmap);
  const ink = inkOf(gray);
  if (!ink) throw new Error(app.t('draw.error.blank'));
  return normaliseDrawing(ink, rows, cols);
}

function grayLevels(bitmap) {
  const scale = Math.min(1, LONGER_SIDE / Math.max(bitmap.width, bitmap.height));
  const [cols, rows] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = new OffscreenCanvas(cols, rows);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = '#fff';
  context.fillRect(0, 0, cols, rows);
  context.drawImage(bitmap, 0, 0, cols, rows);
  const { data } = context.getImageData(0, 0, cols, rows);
  const gray = Float32Array.from({ length: rows * cols }, (_, i) => (0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]) / 255);
  return { gray, rows, cols };
}

/**
 * Ink from 0 to 1 of grey levels (0 black, 1 white), whichever of ink and paper is darker: the rarer side of Otsu's
 * threshold (Otsu 1979) is ink. Null where there is no contrast.
 * @param {Float32Array} gray
 */
export function inkOf(gray) {
  const counts = new Float64Array(LEVELS);
  for (const level of gray) counts[Math.min(LEVELS - 1, Math.floor(level * LEVELS))] += 1;
  const cut = otsu(counts);
  const [dark, light] = meansBeside(counts, cut);
  if (!(light - dark > MIN_CONTRAST)) return null;
  let darker = 0;
  for (const level of gray) darker += level * LEVELS < cut;
  const sign = darker <= gray.length / 2 ? -1 : 1;
  const full = sign < 0 ? dark : light;
  const edge = cut / LEVELS;
  return gray.map((level) => Math.min(1, Math.max(0, (level - edge) / (full - edge))));
}

function otsu(counts) {
  const total = counts.reduce((sum, n) => sum + n, 0);
  const all = counts.reduce((sum, n, i) => sum + n * i, 0);
  let [below, sum, best, cut] = [0, 0, -1, LEVELS / 2];
  for (let i = 0; i < LEVELS - 1; i += 1) {
    below += counts[i];
    sum += counts[i] * i;
    if (below === 0 || below === total) continue;
    const apart = sum / below - (all - sum) / (total - below);
    const between = below * (total - below) * apart * apart;
    if (between > best) [best, cut] = [between, i + 1];
  }
  return cut;
}

function meansBeside(counts, cut) {
  const mean = (from, to) => {
    let [n, sum] = [0, 0];
    for (let i = from; i < to; i += 1) {
      n += counts[i];
      sum += counts[i] * (i + 0.5);
    }
    return n ? sum / n / LEVELS : NaN;
  };
  return [mean(0, cut), mean(cut, LEVELS)];
}
