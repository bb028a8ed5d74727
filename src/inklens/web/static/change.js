/** A change of ink: added violet with a plus, erased gold with a cross, as on the pad. */

const SIDE = 336; // least pixels of the canvas along its longer side, so that signs are sharp
const VISIBLE = 0.004; // ink; less than one of 255 levels is not shown

/**
 * Paint a change of ink over whatever lies under the canvas.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number> | null} change
 * @param {number} rows
 * @param {number} cols
 */
export function paintChange(canvas, change, rows, cols) {
  const step = Math.max(6, Math.round(SIDE / Math.max(rows, cols)));
  canvas.width = cols * step;
  canvas.height = rows * step;
  if (!change) return;
  const context = canvas.getContext('2d');
  const style = getComputedStyle(canvas);
  const [added, erased] = ['--added', '--erased'].map((name) => style.getPropertyValue(name));
  context.lineWidth = step * 0.13;
  context.strokeStyle = '#fff';
  for (let at = 0; at < change.length; at += 1) {
    const value = change[at];
    if (Math.abs(value) < VISIBLE) continue;
    const [x, y] = [(at % cols) * step, Math.floor(at / cols) * step];
    context.globalAlpha = 0.25 + 0.6 * Math.min(1, Math.abs(value));
    context.fillStyle = value > 0 ? added : erased;
    context.fillRect(x, y, step, step);
    context.globalAlpha = 1;
    context.stroke(value > 0 ? plus(x, y, step) : cross(x, y, step));
  }
}

const ARM = 0.22; // of a pixel's side

function plus(x, y, step) {
  const [middle, arm] = [step / 2, step * ARM];
  return new Path2D(
    `M${x + middle - arm} ${y + middle}h${2 * arm}M${x + middle} ${y + middle - arm}v${2 * arm}`,
  );
}

function cross(x, y, step) {
  const arm = step * ARM;
  const [left, top] = [x + step / 2 - arm, y + step / 2 - arm];
  return new Path2D(`M${left} ${top}l${2 * arm} ${2 * arm}M${left + 2 * arm} ${top}l${-2 * arm} ${2 * arm}`);
}
