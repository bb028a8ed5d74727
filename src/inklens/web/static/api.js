/** The studio's interface over HTTP: one function a route, as `docs/openapi.json` describes them. */

/** Method and path of each route; {places} are filled. A test compares them with the document. */
export const ROUTES = {
  about: ['GET', '/api/about'],
  models: ['GET', '/api/models'],
  addModel: ['POST', '/api/models'],
  model: ['GET', '/api/models/{model}'],
  deleteModel: ['DELETE', '/api/models/{model}'],
  modelBytes: ['GET', '/api/models/{model}/web'],
  modelFile: ['GET', '/api/models/{model}/file'],
  modelPage: ['GET', '/api/models/{model}/page'],
  evaluation: ['GET', '/api/models/{model}/evaluation'],
  cell: ['GET', '/api/models/{model}/cells/{true}/{predicted}'],
  row: ['GET', '/api/models/{model}/rows/{part}/{index}'],
  comparison: ['GET', '/api/models/{model}/comparison/{other}'],
  read: ['POST', '/api/read'],
  drawing: ['POST', '/api/drawings'],
  digits: ['GET', '/api/digits'],
  addDigit: ['POST', '/api/digits'],
  deleteDigit: ['DELETE', '/api/digits/{digit}'],
  datasets: ['GET', '/api/datasets'],
  addDataset: ['POST', '/api/datasets'],
  deleteDataset: ['DELETE', '/api/datasets/{dataset}'],
  addOpenml: ['POST', '/api/datasets/openml'],
  jobs: ['GET', '/api/jobs'],
  startJob: ['POST', '/api/jobs'],
  job: ['GET', '/api/jobs/{job}'],
  jobEvents: ['GET', '/api/jobs/{job}/events'],
  cancelJob: ['DELETE', '/api/jobs/{job}'],
};

/** What is said where nothing answers. */
export const LOST = 'the studio does not answer; is it still running?';

/** What the studio refused, in its own words; `status` 0: it did not answer at all. */
export class ApiError extends Error {
  /** @param {{ status: number, detail: string, type?: string, id?: string }} problem */
  constructor({ status, detail, type = '', id = '' }) {
    super(detail);
    this.name = 'ApiError';
    this.status = status;
    this.type = type;
    this.id = id;
  }
}

/**
 * Fill the path of a route.
 * @param {string} path @param {Record<string, string | number>} [places] @param {Record<string, unknown>} [query] left out where undefined
 * @returns {string}
 */
export function address(path, places = {}, query = {}) {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(places[name])));
  const asked = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return asked.length ? `${filled}?${new URLSearchParams(asked.map(([name, value]) => [name, String(value)]))}` : filled;
}

/**
 * @typedef {{ places?: Record<string, string | number>, query?: Record<string, unknown>, json?: object, body?: Blob }} Asked
 * @typedef {{
 *   what: string, seconds: number, done: number | null, total: number | null, passes: number | null, objective: number | null,
 *   lower_bound: number | null, relative_gap: number | null, zeros: number | null
 * }} Progress
 * @typedef {{
 *   id: string, kind: 'fit' | 'path' | 'labels' | 'tolerance' | 'fetch', state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled' | 'died',
 *   created: string, asked: object, progress: Progress | null, model: string | null, result: object | null, error: { detail: string } | null
 * }} Job
 * @typedef {{ n_classes: number, n_features: number, scale: number, coef: string }} Maps coefficients as signed bytes in base64, times scale
 * @typedef {{ state?: (job: Job) => void, progress?: (now: Progress) => void, maps?: (now: Maps) => void, end?: (job: Job) => void, lost?: () => void }} Listener
 *   end: done, failed, cancelled or died
 */

/** The studio that served this page. */
export class StudioApi {
  /** @param {string} [base] of all addresses */
  constructor(base = '') {
    this.base = base;
  }

  about() { return this.#json('about'); }

  models() { return this.#json('models'); }

  /** @param {string} model */
  model(model) { return this.#json('model', { places: { model } }); }

  /** @param {Blob} file an .inklens file @param {string} name */
  addModel(file, name) { return this.#json('addModel', { body: new Blob([file], { type: 'application/octet-stream' }), query: { name } }); }

  /** @param {string} model */
  deleteModel(model) { return this.#json('deleteModel', { places: { model } }); }

  /** The model as bytes for `decodeModel`; lightly: without path, samples and the check. @param {string} model @param {{ lightly?: boolean }} [query] @returns {Promise<ArrayBuffer>} */
  async modelBytes(model, query) { return (await this.#ask('modelBytes', { places: { model }, query })).arrayBuffer(); }

  /**
   * The model to begin with, lightly: a file like the page's own, there before the interface is. Null: ask the interface why.
   * @returns {Promise<{ id: string, bytes: ArrayBuffer } | null>}
   */
  async first() {
    const answer = await fetch(`${this.base}/first`);
    return answer.ok ? { id: answer.headers.get('X-Model') ?? '', bytes: await answer.arrayBuffer() } : null;
  }

  /** Where a model's file or page is downloaded from. @param {string} model @param {'modelFile' | 'modelPage'} kind */
  link(model, kind) { return this.base + address(ROUTES[kind][1], { model }); }

  /** @param {string} model */
  evaluation(model) { return this.#json('evaluation', { places: { model } }); }

  /** Rows of a cell of the confusion matrix, classes by number. @param {string} model @param {number} truth @param {number} predicted @param {{ limit?: number, offset?: number }} [page] */
  cell(model, truth, predicted, page) { return this.#json('cell', { places: { model, true: truth, predicted }, query: page }); }

  /** @param {string} model @param {string} part 'test' or 'train' @param {number} index */
  row(model, part, index) { return this.#json('row', { places: { model, part, index } }); }

  /** @param {string} model @param {string} other */
  comparison(model, other) { return this.#json('comparison', { places: { model, other } }); }

  /** Read a photo: the digits found, each with its frame. @param {Blob} photo @param {Record<string, unknown>} [recipe] */
  async read(photo, recipe) {
    const { digits } = await this.#json('read', { body: photo, query: recipe });
    return digits.map((digit) => ({ ...digit, frame: floats(digit.frame) }));
  }

  /** @param {{ ink: string, rows: number, cols: number, model?: string }} drawing */
  drawing(drawing) { return this.#json('drawing', { json: drawing }); }

  digits() { return this.#json('digits'); }

  /** @param {{ pixels: string, label: string, read_as?: string, model?: string }} digit 28 x 28 bytes in base64 */
  addDigit(digit) { return this.#json('addDigit', { json: digit }); }

  /** @param {string} digit */
  deleteDigit(digit) { return this.#json('deleteDigit', { places: { digit } }); }

  datasets() { return this.#json('datasets'); }

  /** @param {File} file folders as ZIP, MNIST's files as ZIP, or an NPZ @param {string} name */
  addDataset(file, name) {
    const kind = /\.npz$/i.test(file.name ?? '') ? 'npz' : 'zip';
    return this.#json('addDataset', { body: new Blob([file], { type: 'application/octet-stream' }), query: { name, kind } });
  }

  /** @param {string} dataset id of an upload */
  deleteDataset(dataset) { return this.#json('deleteDataset', { places: { dataset } }); }

  /** Bring a named data set: a job of kind fetch. @param {string} name @returns {Promise<Job>} */
  addOpenml(name) { return this.#json('addOpenml', { json: { name } }); }

  jobs() { return this.#json('jobs'); }

  /** @param {{ kind: 'fit' | 'path' | 'labels' | 'tolerance' }} job with the parameters of its task @returns {Promise<Job>} */
  startJob(job) { return this.#json('startJob', { json: job }); }

  /** @param {string} job */
  job(job) { return this.#json('job', { places: { job } }); }

  /** End a job; its best model so far is kept with its bound. @param {string} job */
  cancelJob(job) { return this.#json('cancelJob', { places: { job } }); }

  /**
   * Follow a job; the browser connects again by itself, and goes on after the last event that it saw.
   * @param {string} job @param {Listener} listener
   * @returns {() => void} ends it
   */
  jobEvents(job, listener) {
    const source = new EventSource(this.base + address(ROUTES.jobEvents[1], { job }));
    const told = (event) => JSON.parse(event.data);
    for (const kind of ['state', 'progress', 'maps']) source.addEventListener(kind, (event) => listener[kind]?.(told(event)));
    for (const kind of ['done', 'failed', 'cancelled', 'died']) {
      source.addEventListener(kind, (event) => {
        source.close();
        listener.end?.(told(event));
      });
    }
    source.addEventListener('error', () => { if (source.readyState === EventSource.CLOSED) listener.lost?.(); });
    return () => source.close();
  }

  async #json(route, asked) {
    const answer = await this.#ask(route, asked);
    return answer.status === 204 ? null : answer.json();
  }

  /** @param {string} route @param {Asked} [asked] @returns {Promise<Response>} */
  async #ask(route, { places, query, json, body } = {}) {
    const [method, path] = ROUTES[route];
    const sent = json ? { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(json) }
      : body ? { headers: { 'Content-Type': body.type || 'application/octet-stream' }, body } : {};
    let answer;
    try {
      answer = await fetch(this.base + address(path, places, query), { method, ...sent });
    } catch {
      throw new ApiError({ status: 0, detail: LOST });
    }
    if (!answer.ok) throw await problemOf(answer);
    return answer;
  }
}

async function problemOf(answer) {
  try {
    const { status, detail, type, id } = await answer.json();
    return new ApiError({ status, detail, type, id });
  } catch {
    return new ApiError({ status: answer.status, detail: `the studio answered ${answer.status}; try again` });
  }
}

/** Bytes as base64. @param {Uint8Array} bytes */
export function toBase64(bytes) {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Numbers of four bytes. @param {string} text @returns {Float64Array} */
function floats(text) {
  return Float64Array.from(new Float32Array(fromBase64(text).buffer));
}

/** @param {string} text @returns {Uint8Array} */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
