/** A change of ink: added violet with a plus, erased gold with a cross, as on the pad. */

const STEP = 12; // pixels of the canvas along each side of a pixel of the frame
const VISIBLE = 0.004; // ink; less than one of 255 levels is not shown

/**
 * Paint a change of ink over whatever lies under the canvas.
 * @param {HTMLCanvasElement} canvas @param {ArrayLike<number> | null} change @param {number} rows @param
 *   {number} cols
 */
export function paintChange(canvas, change, rows, cols) {
  canvas.width = cols * STEP;
  canvas.height = rows * STEP;
  if (!change) return;
  const context = canvas.getContext('2d');
  const style = getComputedStyle(canvas);
  const [added, erased] = ['--added', '--erased'].map((name) => style.getPropertyValue(name));
  context.lineWidth = 1.6;
  for (let at = 0; at < change.length; at += 1) {
    const value = change[at];
    if (Math.abs(value) < VISIBLE) continue;
    const [x, y] = [(at % cols) * STEP, Math.floor(at / cols) * STEP];
    context.globalAlpha = 0.25 + 0.6 * Math.min(1, Math.abs(value));
    context.fillStyle = value > 0 ? added : erased;
    context.fillRect(x, y, STEP, STEP);
    context.globalAlpha = 1;
    context.strokeStyle = '#fff';
    context.stroke(value > 0 ? plus(x, y) : cross(x, y));
  }
}

const MIDDLE = STEP / 2;
const ARM = 2.6;

function plus(x, y) {
  return new Path2D(
    `M${x + MIDDLE - ARM} ${y + MIDDLE}h${2 * ARM}M${x + MIDDLE} ${y + MIDDLE - ARM}v${2 * ARM}`,
  );
}

function cross(x, y) {
  const [left, top] = [x + MIDDLE - ARM, y + MIDDLE - ARM];
  return new Path2D(`M${left} ${top}l${2 * ARM} ${2 * ARM}M${left + 2 * ARM} ${top}l${-2 * ARM} ${2 * ARM}`);
}
