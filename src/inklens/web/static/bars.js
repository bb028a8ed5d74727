/** Probabilities as bars that move with the pen: plain elements whose widths change, and the numbers as text. */
import { effect } from './vendor/signals-core.js';
import { decimal, percent } from './texts.js';

/** One row a class: name, bar, probability, raw score. */
export class AnswerBars {
  /** @param {HTMLElement} root @param {import('./app.js').App} app */
  constructor(root, app) {
    this.app = app;
    this.table = document.createElement('table');
    this.table.className = 'bars';
    root.replaceChildren(this.table);
    this.dispose = effect(() => this.#build(app.model.value.classes));
  }

  #build(classes) {
    this.table.classList.toggle('has-names', classes.some((name) => name.length > 2));
    const { app, table } = this;
    const caption = Object.assign(document.createElement('caption'), { className: 'hidden', textContent: app.t('bars.caption') });
    const head = document.createElement('tr');
    head.className = 'columns';
    for (const key of ['class', 'bar', 'probability', 'score']) {
      const words = Object.assign(document.createElement('span'), { className: 'hidden', textContent: app.t(`bars.${key}`) });
      const cell = Object.assign(document.createElement('th'), { scope: 'col' });
      cell.append(words);
      head.append(cell);
    }
    this.rows = classes.map((name) => {
      const row = document.createElement('tr');
      const label = Object.assign(document.createElement('th'), { scope: 'row', textContent: name });
      const cells = ['bar', 'probability', 'score'].map((key) => Object.assign(document.createElement('td'), { className: key }));
      const fill = document.createElement('i');
      cells[0].append(fill);
      row.append(label, ...cells);
      return { row, fill, probability: cells[1], score: cells[2] };
    });
    const widths = document.createElement('colgroup');
    for (const key of ['class', 'bar', 'probability', 'score']) widths.append(Object.assign(document.createElement('col'), { className: `of-${key}` }));
    table.replaceChildren(caption, widths, head, ...this.rows.map(({ row }) => row));
  }

  /** @param {{ z: Float64Array, p: Float64Array, best: number }} answer @param {boolean} accepted */
  show({ z, p, best }, accepted) {
    const language = this.app.language.value;
    this.table.classList.toggle('unsure', !accepted);
    this.rows.forEach((cells, k) => {
      cells.fill.style.transform = `scaleX(${p[k].toFixed(4)})`;
      cells.row.classList.toggle('best', accepted && k === best);
      write(cells.probability, accepted ? percent(p[k], language) : '–');
      write(cells.score, decimal(z[k], 2, language));
    });
  }
}

/** Write a text where it is another: each writing costs a layout. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
