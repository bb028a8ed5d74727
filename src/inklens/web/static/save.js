/** Files for the reader: what a figure shows as PNG, SVG, CSV or JSON. */

/** Offer bytes or text as a file. @param {string} name @param {BlobPart} content @param {string} type */
export function download(name, content, type) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Rows as CSV; a cell with a comma, a quote or a line break is quoted. @param {unknown[][]} rows */
export function csvText(rows) {
  const cell = (value) => (/[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  return `${rows.map((row) => row.map(cell).join(',')).join('\n')}\n`;
}

/** Save rows as CSV. @param {string} name @param {unknown[][]} rows */
export function saveCsv(name, rows) {
  download(`${name}.csv`, csvText(rows), 'text/csv');
}

/** Save a value as JSON. @param {string} name @param {unknown} value */
export function saveJson(name, value) {
  download(`${name}.json`, `${JSON.stringify(value, null, 1)}\n`, 'application/json');
}

/** Save a canvas as PNG, its pixels drawn `zoom` times as large. @param {string} name @param {HTMLCanvasElement} canvas @param {number} [zoom] */
export async function savePng(name, canvas, zoom = 16) {
  const large = document.createElement('canvas');
  large.width = canvas.width * zoom;
  large.height = canvas.height * zoom;
  const context = large.getContext('2d');
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, large.width, large.height);
  const blob = await new Promise((done) => large.toBlob(done));
  download(`${name}.png`, blob, 'image/png');
}

/** Save an SVG element with the styles that it has on the page. @param {string} name @param {SVGSVGElement} svg */
export function saveSvg(name, svg) {
  const copy = /** @type {SVGSVGElement} */ (svg.cloneNode(true));
  const { width, height } = svg.getBoundingClientRect();
  Object.entries({ xmlns: 'http://www.w3.org/2000/svg', width, height }).forEach(([key, value]) => copy.setAttribute(key, value));
  const [from, to] = [svg, copy].map((tree) => [tree, ...tree.querySelectorAll('*')]);
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'font-family', 'font-size', 'font-weight', 'text-anchor', 'opacity']) {
      to[i].setAttribute(name, style.getPropertyValue(name));
    }
    to[i].removeAttribute('class');
  });
  download(`${name}.svg`, new XMLSerializer().serializeToString(copy), 'image/svg+xml');
}
