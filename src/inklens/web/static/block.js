/** Sections of a view. Each can be explained as a whole: what no control in it explains of itself is told of all of it. */

/**
 * Add a section to a view.
 * @param {HTMLElement} root @param {string} view its key @param {string} name
 * @returns {HTMLElement}
 */
export function addBlock(root, view, name) {
  const section = document.createElement('section');
  section.className = `block ${name}`;
  section.dataset.explain = name === 'intro' ? `tab.${view}` : `${view}.block.${name}`;
  root.append(section);
  return section;
}
