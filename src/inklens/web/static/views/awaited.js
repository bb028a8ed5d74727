/** What stands for a view that is still on its way. */

/** @param {string} key @returns {import('../app.js').View} */
export function awaited(key) {
  return {
    key,
    texts: { en: {}, de: {} },
    mount(root, app) {
      root.append(Object.assign(document.createElement('p'), { className: 'state', textContent: app.t('view.coming') }));
      root.setAttribute('aria-busy', 'true');
      return () => {};
    },
  };
}
