/** The studio: the model comes from the server of this computer, and so does what takes training or Python. */
import { mount } from '../app.js';
import { door } from './door.js';

start();

async function start() {
  const root = document.getElementById('face');
  try {
    const { models } = await answer('/api/models');
    const { start: first } = await answer('/api/about');
    const bytes = await answer(`/api/models/${first ?? models[0].id}/web`);
    const app = mount(root, { bytes, language: navigator.language.slice(0, 2), host: { kind: 'studio' } });
    globalThis.inklens = door(app);
  } catch (error) {
    root.textContent = String(error.message ?? error);
  }
}

async function answer(path) {
  const response = await fetch(path);
  const isJson = response.headers.get('content-type').includes('json');
  const found = isJson ? await response.json() : await response.arrayBuffer();
  if (!response.ok) throw new Error(found.detail);
  return found;
}
