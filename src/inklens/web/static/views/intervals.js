/** Shares with their intervals as dots and whiskers: one row a class, one scale for all. */

const SVG = 'http://www.w3.org/2000/svg';
const ROW = 34; // pixels between two classes
const TOP = 22; // pixels for the scale's words
const LEFT = 9; // per cent for the classes' names
const RIGHT = 5; // per cent left free, half a word of the scale
const MARKS = { recall: -6, precision: 6 }; // pixels from the middle of a row

/**
 * @typedef {{ name: string, recall: import('./judged.js').Share, precision: import('./judged.js').Share }} Row
 */

/**
 * Draw recall (round) and precision (square) of each class. Places across are in per cent, so that words keep their size.
 * @param {Row[]} rows @param {{ label: string, percent: (share: number) => string }} options
 * @returns {SVGSVGElement}
 */
export function intervalChart(rows, { label, percent }) {
  const height = TOP + rows.length * ROW + 6;
  const svg = element('svg', { class: 'intervals', role: 'img', 'aria-label': label, height, width: '100%' });
  const least = start(rows);
  const across = (value) => `${LEFT + ((value - least) / (1 - least)) * (100 - LEFT - RIGHT)}%`;
  for (const value of scale(least)) {
    svg.append(
      element('line', { class: 'grid', x1: across(value), x2: across(value), y1: TOP - 4, y2: height }),
      element('text', { class: 'tick', x: across(value), y: 12, 'text-anchor': 'middle' }, percent(value)),
    );
  }
  rows.forEach((row, i) => {
    const y = TOP + (i + 0.5) * ROW;
    svg.append(element('text', { class: 'name', x: 0, y: y + 5 }, row.name));
    for (const [kind, shift] of Object.entries(MARKS)) svg.append(...mark(kind, row[kind], y + shift, across));
  });
  return svg;
}

function mark(kind, { share, low, high, of }, y, across) {
  if (!of) return [];
  const whisker = element('line', { class: `whisker ${kind}`, x1: across(low), x2: across(high), y1: y, y2: y });
  const dot = kind === 'recall'
    ? element('circle', { class: `dot ${kind}`, cx: across(share), cy: y, r: 4.5 })
    : element('rect', { class: `dot ${kind}`, x: across(share), y: y - 4, width: 8, height: 8, transform: 'translate(-4 0)' });
  return [whisker, dot];
}

/** Where the scale begins: the tenth below all whiskers. */
function start(rows) {
  const lows = rows.flatMap(({ recall, precision }) => [recall, precision].filter(({ of }) => of).map(({ low }) => low));
  return Math.max(0, Math.floor(Math.min(0.9, ...lows) * 10) / 10);
}

function scale(least) {
  const step = least >= 0.6 ? 0.1 : 0.2;
  const found = [];
  for (let value = 1; value >= least - 1e-9; value -= step) found.push(Math.round(value * 10) / 10);
  return found;
}

function element(name, attributes, text = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}
