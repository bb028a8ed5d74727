/** judge: not built yet. */
export const judging = {
  key: 'judge',

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const title = document.createElement('h1');
    title.textContent = app.t('judge.title');
    root.append(title);
    return () => {};
  },
};
