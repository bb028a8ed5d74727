/**
 * A notebook's widget on the notebook's side: a frame that is shut off from the notebook, and messages both ways.
 *
 * The frame keeps the face's look, ids and keys out of the notebook, and the notebook's keys out of the pad.
 */

/** What Python sets, and what the frame calls it. */
const FROM_PYTHON = { _model: 'model', _asked: 'frame', _point: 'point', target: 'target', selected: 'selected', _language: 'language' };

/**
 * @param {string} page the frame's document
 * @returns {{ render: (given: { model: object, el: HTMLElement }) => () => void }}
 */
export function widget(page) {
  return { render: ({ model, el }) => open(page, model, el) };
}

function open(page, model, el) {
  const frame = document.createElement('iframe');
  frame.title = model.get('_title');
  frame.setAttribute('sandbox', 'allow-scripts allow-downloads');
  Object.assign(frame.style, { width: '100%', height: '620px', border: '0', borderRadius: '6px' });
  const names = Object.keys(FROM_PYTHON).filter((name) => model.get(name) !== undefined);
  const values = () => Object.fromEntries(names.map((name) => [FROM_PYTHON[name], plain(model.get(name))]));
  const say = (message) => frame.contentWindow?.postMessage(message, '*');
  const told = {}; // what came from the frame does not go back to it

  const listen = ({ source, data }) => {
    if (source !== frame.contentWindow || !data?.inklens) return;
    if (data.inklens === 'here') {
      const { model: bytes, ...others } = values();
      say({ inklens: 'begin', bytes, values: others });
    } else if (data.inklens === 'height') {
      frame.style.height = `${Math.ceil(data.height)}px`;
    } else if (data.inklens === 'state') {
      take(model, data.state, told);
    }
  };
  addEventListener('message', listen);
  for (const name of names) {
    model.on(`change:${name}`, () => {
      const value = model.get(name);
      if (told[name] === JSON.stringify(value)) return;
      say({ inklens: 'set', name: FROM_PYTHON[name], value: plain(value) });
    });
  }
  frame.srcdoc = page;
  el.append(frame);
  return () => removeEventListener('message', listen);
}

function take(model, state, told) {
  for (const [name, value] of Object.entries(state)) {
    if (model.get(name) === undefined) continue;
    told[name] = JSON.stringify(value);
    model.set(name, value instanceof ArrayBuffer ? new DataView(value) : value);
  }
  model.save_changes();
}

/** Bytes of a message as a buffer of their own. */
function plain(value) {
  return ArrayBuffer.isView(value) ? value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength) : value;
}
