/**
 * Charts as SVG: bars, lines, and shares with intervals. Each comes as a figure with its table beside it, and saves itself as SVG or
 * CSV.
 *
 * A chart is drawn to the width that it has, so that words keep their size on every screen; its height never
 * depends on
 * the width, so that nothing below it moves.
 */
import { decimal } from './texts.js';
import { saveCsv, saveSvg } from './save.js';

/**
 * @typedef {{ name: string, words: string, caption?: string, head: string[], summary?: string, isTold?: boolean }}
 *   Frame
 *   name of saved files; what a screen reader says of the picture; a caption; heads of the table's columns;
 * what the
 *   table is called; whether the view tells the table's numbers itself
 * @typedef {{ label: string, value: number, text?: string, low?: number, high?: number, kind?: string,
 *   cells?: (string | number)[] }} Bar
 *   text beside the bar; an interval; kind: 'chosen', 'best', 'right', 'wrong' or none; cells of its row in
 * the table
 *   after the label, by default the value
 * @typedef {{ label: string, points: [number, number][], kind?: string, dashed?: boolean, steps?: boolean }}
 *   Line
 *   kind: 'first', 'second', 'third' or 'quiet'
 * @typedef {{ label: string, log?: boolean, format?: (value: number) => string, least?: number, most?: number
 *   }} Axis
 */

const SVG = 'http://www.w3.org/2000/svg';
const ROW = 26; // pixels a bar
const LETTER = 7.6; // pixels of a letter or digit beside a chart, on average
const NAME_LETTER = 9.6; // of the name of a bar, which is larger and bold
const LONGEST_NAME = 16; // letters; more are cut off
const TICKS = 5; // at most, about

/**
 * An element of SVG.
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 */
function node(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

/**
 * Horizontal bars, one a row.
 * @param {Frame & { bars: Bar[], most?: number, onChoose?: (index: number) => void }} data
 *   most: value of the full width; onChoose: what choosing a bar does (offer the same by keyboard beside the
 * chart)
 * @param {import('./app.js').App} app
 * @returns {HTMLElement}
 */
export function bars({ bars: rows, most, onChoose, ...frame }, app) {
  const full = most ?? rows.reduce((top, { value, high }) => Math.max(top, finite(value), finite(high)), 0);
  const left = 12 + NAME_LETTER * Math.max(...rows.map(({ label }) => shortened(label).length));
  const right = 12 + LETTER * Math.max(...rows.map(({ text = '' }) => text.length));
  const draw = (width) =>
    rows.flatMap((row, i) => bar(row, i, { left, room: Math.max(20, width - left - right), full, onChoose }));
  const table = rows.map(({ label, value, cells }) => [label, ...(cells ?? [value])]);
  return figure({ ...frame, table, height: ROW * rows.length, draw }, app);
}

function shortened(name) {
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
}

function finite(value) {
  return Number.isFinite(value) ? value : 0;
}

function bar({ label, value, text, low, high, kind = '' }, i, { left, room, full, onChoose }) {
  const y = i * ROW;
  const across = (amount) => (full > 0 ? (room * Math.min(full, finite(amount))) / full : 0);
  const group = node('g', { class: `chart-bar ${kind} ${onChoose ? 'choosable' : ''}` });
  group.append(
    node('rect', { class: 'ground', x: 0, y, width: left + room, height: ROW }),
    node(
      'text',
      { class: 'label', x: left - 10, y: y + ROW / 2, 'text-anchor': 'end', 'dominant-baseline': 'central' },
      shortened(label),
    ),
    node('rect', {
      class: 'fill',
      x: left,
      y: y + 5,
      width: Math.max(value > 0 ? 1.5 : 0, across(value)),
      height: ROW - 10,
      rx: 1.5,
    }),
  );
  if (low !== undefined && high !== undefined) {
    const [from, to, middle] = [left + across(low), left + across(high), y + ROW / 2];
    group.append(
      node('path', {
        class: 'interval',
        d: `M${from} ${middle}H${to}M${from} ${middle - 4}v8M${to} ${middle - 4}v8`,
      }),
    );
  }
  if (text)
    group.append(
      node(
        'text',
        {
          class: 'value',
          x: left + Math.max(across(value), across(high)) + 8,
          y: y + ROW / 2,
          'dominant-baseline': 'central',
        },
        text,
      ),
    );
  if (onChoose) group.addEventListener('click', () => onChoose(i));
  return [group];
}

const SHARES_ROW = 34; // pixels between two rows
const SHARES_TOP = 22; // pixels for the scale's words
const MARKS = { recall: -6, precision: 6 }; // pixels from the middle of a row

/**
 * Recall (round) and precision (square) with their intervals as dots and whiskers: one row a class, one scale.
 * @param {Frame & { rows: { label: string, recall: Share, precision: Share }[], table: (string | number)[][],
 *   format: (share: number) => string }} data
 * @param {import('./app.js').App} app
 * @typedef {import('./views/judged.js').Share} Share
 * @returns {HTMLElement}
 */
export function intervals({ rows, format, ...frame }, app) {
  const height = SHARES_TOP + rows.length * SHARES_ROW + 6;
  const lows = rows.flatMap(({ recall, precision }) => [recall, precision].filter(({ of }) => of));
  const least = Math.floor(10 * Math.min(0.9, ...lows.map(({ low }) => low))) / 10; // the tenth below all whiskers
  const along = scale({ least: Math.max(0, least), most: 1 }, []);
  const left = 12 + NAME_LETTER * Math.max(...rows.map(({ label }) => shortened(label).length));
  const draw = (width) => {
    const across = (share) => left + along.share(share) * (width - left - 3 * LETTER); // half a word is right of the end
    const grid = along.ticks.flatMap((value) => {
      const x = across(value);
      return [
        node('line', { class: 'grid', x1: x, x2: x, y1: SHARES_TOP - 4, y2: height }),
        node('text', { class: 'tick', x, y: 12, 'text-anchor': 'middle' }, format(value)),
      ];
    });
    return [...grid, ...rows.flatMap((row, i) => sharesOf(row, SHARES_TOP + (i + 0.5) * SHARES_ROW, across))];
  };
  const made = figure({ ...frame, height, draw }, app);
  made.querySelector('svg').classList.add('intervals');
  return made;
}

function sharesOf(row, middle, across) {
  const parts = [node('text', { class: 'label', x: 0, y: middle, 'dominant-baseline': 'central' }, shortened(row.label))];
  for (const [kind, shift] of Object.entries(MARKS)) {
    const { share, low, high, of } = row[kind];
    if (!of) continue;
    const [x, y] = [across(share), middle + shift];
    parts.push(
      node('line', { class: `whisker ${kind}`, x1: across(low), x2: across(high), y1: y, y2: y }),
      kind === 'recall'
        ? node('circle', { class: `dot ${kind}`, cx: x, cy: y, r: 4.5 })
        : node('rect', { class: `dot ${kind}`, x: x - 4, y: y - 4, width: 8, height: 8 }),
    );
  }
  return parts;
}

/**
 * Lines over one axis, each with its name at its end.
 * @param {Frame & { lines: Line[], x: Axis, y: Axis, height?: number, mark?: number | null, marks?: { x:
 *   number, label: string }[], onChoose?: (x: number) => void }} data
 *   mark: where the chart says "now"; `moveMark` moves it; onChoose: what pointing at a place does
 * @param {import('./app.js').App} app
 * @returns {HTMLElement}
 */
export function lines(
  { lines: drawn, x, y, height = 260, mark = null, marks = [], onChoose, ...frame },
  app,
) {
  const format = (axis) => axis.format ?? ((value) => plain(value, app.language.value));
  const [xScale, yScale] = [
    [x, 0],
    [y, 1],
  ].map(([axis, k]) =>
    scale(
      axis,
      drawn.flatMap(({ points }) => points.map((point) => point[k])),
    ),
  );
  const yTicks = yScale.ticks.map((value) => ({ value, text: format(y)(value) }));
  const left = 16 + LETTER * Math.max(...yTicks.map(({ text }) => text.length));
  const right = 10 + LETTER * Math.min(14, Math.max(0, ...drawn.map(({ label }) => label.length)));
  const now = { at: mark };
  const draw = (width) => {
    const area = { left, top: 22, right: Math.max(left + 40, width - right), bottom: height - 40 };
    const place = {
      x: (value) => area.left + xScale.share(value) * (area.right - area.left),
      y: (value) => area.bottom - yScale.share(value) * (area.bottom - area.top),
    };
    const parts = [...axes({ x, xScale, yTicks, y, area, place, format: format(x), width })];
    for (const { x: at, label } of marks)
      parts.push(
        node('line', { class: 'mark', x1: place.x(at), x2: place.x(at), y1: area.top, y2: area.bottom }),
        node('text', { class: 'tick', x: place.x(at) + 4, y: area.top + 10 }, label),
      );
    parts.push(
      ...drawn.map((line) =>
        node('path', {
          class: `line ${line.kind ?? 'first'} ${line.dashed ? 'dashed' : ''}`,
          d: pathOf(line, place),
        }),
      ),
    );
    parts.push(...endLabels(drawn, place, area));
    const cursor = node('line', { class: 'now', y1: area.top, y2: area.bottom });
    now.move = (value) => {
      now.at = value;
      cursor.setAttribute('visibility', value === null ? 'hidden' : 'visible');
      if (value !== null) for (const end of ['x1', 'x2']) cursor.setAttribute(end, String(place.x(value)));
    };
    now.move(now.at);
    now.choose = (across) => onChoose?.(xScale.value((across - area.left) / (area.right - area.left)));
    return [...parts, cursor];
  };
  const xs = [...new Set(drawn.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const lookUp = drawn.map(({ points }) => new Map(points));
  const table = xs.map((at) => [at, ...lookUp.map((found) => found.get(at) ?? '')]);
  const made = figure({ ...frame, table, height, draw }, app);
  movers.set(made, (value) => {
    now.at = value; // also before the chart has a width to be drawn to
    now.move?.(value);
  });
  if (onChoose) followPointing(made.querySelector('svg'), (across) => now.choose?.(across));
  return made;
}

const movers = new WeakMap();

/**
 * Move the place that a chart of lines marks as "now".
 * @param {HTMLElement} chart
 * @param {number | null} x
 */
export function moveMark(chart, x) {
  movers.get(chart)?.(x);
}

function followPointing(svg, choose) {
  svg.classList.add('choosable');
  let down = false;
  const at = (event) => choose(event.clientX - svg.getBoundingClientRect().left);
  svg.addEventListener('pointerdown', (event) => {
    down = true;
    svg.setPointerCapture(event.pointerId);
    at(event);
  });
  svg.addEventListener('pointermove', (event) => {
    if (down) at(event);
  });
  for (const kind of ['pointerup', 'pointercancel'])
    svg.addEventListener(kind, () => {
      down = false;
    });
}

function pathOf({ points, steps }, place) {
  return points
    .filter((point) => point.every(Number.isFinite))
    .map(([at, value], i) =>
      i === 0
        ? `M${place.x(at)} ${place.y(value)}`
        : steps
          ? `H${place.x(at)}V${place.y(value)}`
          : `L${place.x(at)} ${place.y(value)}`,
    )
    .join('');
}

function axes({ x, xScale, yTicks, y, area, place, format, width }) {
  const parts = yTicks.flatMap(({ value, text }) => [
    node('line', { class: 'grid', x1: area.left, x2: area.right, y1: place.y(value), y2: place.y(value) }),
    node(
      'text',
      {
        class: 'tick',
        x: area.left - 8,
        y: place.y(value),
        'text-anchor': 'end',
        'dominant-baseline': 'central',
      },
      text,
    ),
  ]);
  let last = -Infinity;
  for (const value of xScale.ticks) {
    const [text, at] = [format(value), place.x(value)];
    if (at - last < LETTER * text.length + 10) continue;
    last = at;
    parts.push(
      node('line', { class: 'grid', x1: at, x2: at, y1: area.bottom, y2: area.bottom + 4 }),
      node('text', { class: 'tick', x: at, y: area.bottom + 17, 'text-anchor': 'middle' }, text),
    );
  }
  parts.push(
    node('text', { class: 'axis', x: 0, y: 10 }, y.label),
    node(
      'text',
      { class: 'axis', x: Math.min(area.right, width), y: area.bottom + 35, 'text-anchor': 'end' },
      x.label,
    ),
  );
  return parts;
}

/** Names of lines at their ends, moved apart where they would lie on each other. */
function endLabels(drawn, place, area) {
  const ends = drawn
    .filter(({ points }) => points.length > 0)
    .map(({ label, points, kind = 'first' }) => ({ label, kind, y: place.y(points.at(-1)[1]) }));
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, i) => {
    if (i > 0) end.y = Math.max(end.y, ends[i - 1].y + 15);
  });
  return ends.map(({ label, kind, y }) =>
    node('text', { class: `end ${kind}`, x: area.right + 6, y, 'dominant-baseline': 'central' }, label),
  );
}

/** From values of an axis to shares of its length and back, with round ticks. */
function scale({ log = false, least, most }, values) {
  const seen = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  const [low, high] = [least ?? Math.min(...seen), most ?? Math.max(...seen)];
  if (!(high > low)) return { share: () => 0.5, value: () => low, ticks: Number.isFinite(low) ? [low] : [] };
  const [from, to] = log ? [Math.log10(low), Math.log10(high)] : [low, high];
  return {
    share: (value) => ((log ? Math.log10(Math.max(value, low)) : value) - from) / (to - from),
    value: (share) => {
      const at = from + Math.min(1, Math.max(0, share)) * (to - from);
      return log ? 10 ** at : at;
    },
    ticks: log ? decades(from, to) : rounds(from, to),
  };
}

function decades(from, to) {
  const stride = Math.max(1, Math.ceil((to - from) / TICKS));
  const ticks = [];
  for (let power = Math.ceil(from - 1e-9); power <= to + 1e-9; power += stride) ticks.push(10 ** power);
  return ticks;
}

function rounds(from, to) {
  const rough = (to - from) / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((size) => size >= rough);
  const ticks = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i += 1)
    ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

function plain(value, language, leastDigits = 1) {
  const size = Math.abs(value);
  if (size > 0 && (size < 1e-3 || size >= 1e6))
    return value.toExponential(0).replace('e+', 'e').replace('-', '−');
  const digits = { minimumSignificantDigits: leastDigits, maximumSignificantDigits: 4 };
  return value.toLocaleString(language, digits);
}

/**
 * Put a chart in the place of an older one; an opened table stays open.
 * @param {HTMLElement} holder
 * @param {HTMLElement} chart
 */
export function keepOpen(holder, chart) {
  const isOpen = holder.querySelector('details')?.open ?? false;
  chart.querySelector('details').open = isOpen;
  holder.replaceChildren(chart);
}

/** The figure round a chart: picture, caption, table, files. */
function figure({ name, words, caption, head, table, summary, isTold, height, draw }, app) {
  const root = Object.assign(document.createElement('figure'), { className: 'chart' });
  const svg = node('svg', { role: 'img', 'aria-label': words, height, width: '100%' });
  root.append(svg, captionOf({ name, caption, head, table, svg }, app));
  if (!isTold) root.append(tableOf({ head, table, summary }, app));
  let drawn = 0;
  const fit = (width) => {
    if (width < 1 || width === drawn) return;
    drawn = width;
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.replaceChildren(...draw(width));
  };
  new ResizeObserver(() => fit(Math.round(svg.getBoundingClientRect().width))).observe(svg);
  return root;
}

function captionOf({ name, caption, head, table, svg }, app) {
  const label = Object.assign(document.createElement('figcaption'), {
    textContent: caption ? `${caption} ` : '',
  });
  const saving = Object.assign(document.createElement('span'), { className: 'saving' });
  const button = (kind, act) => {
    const made = Object.assign(document.createElement('button'), {
      type: 'button',
      className: 'link',
      textContent: kind,
    });
    made.setAttribute('aria-label', app.t('save.chart', { kind }));
    made.addEventListener('click', act);
    return made;
  };
  saving.append(
    button('SVG', () => saveSvg(name, svg)),
    ' ',
    button('CSV', () => saveCsv(name, [head, ...table])),
  );
  label.append(saving);
  return label;
}

function tableOf({ head, table, summary }, app) {
  const details = document.createElement('details');
  const title = Object.assign(document.createElement('summary'), {
    textContent: summary ?? app.t('as.table'),
  });
  const scroll = Object.assign(document.createElement('div'), { className: 'scroll' });
  scroll.tabIndex = 0; // arrow keys scroll it
  const made = Object.assign(document.createElement('table'), { className: 'numbers' });
  const cell = (name, value, scope) => {
    const text = typeof value === 'number' ? shown(value, app.language.value) : value;
    const element = Object.assign(document.createElement(name), { textContent: text });
    if (scope) element.setAttribute('scope', scope);
    return element;
  };
  const row = (cells) => {
    const element = document.createElement('tr');
    element.append(...cells);
    return element;
  };
  const [top, body] = ['thead', 'tbody'].map((name) => document.createElement(name));
  top.append(row(head.map((text) => cell('th', text, 'col'))));
  body.append(
    ...table.map(([first, ...rest]) =>
      row([cell('th', first, 'row'), ...rest.map((value) => cell('td', value))]),
    ),
  );
  made.append(top, body);
  scroll.append(made);
  details.append(title, scroll);
  return details;
}

function shown(value, language) {
  return Number.isInteger(value) ? decimal(value, 0, language) : plain(value, language, 4);
}
