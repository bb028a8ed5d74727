/** fool: not built yet. */
export const fool = {
  key: 'fool',

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const title = document.createElement('h1');
    title.textContent = app.t('fool.title');
    root.append(title);
    return () => {};
  },
};
