// Opens a word of the glossary where it stands. Without script the word is a link to the list at the end of the page.

const note = Object.assign(document.createElement("div"), { id: "meaning", hidden: true });
note.setAttribute("role", "status");
document.body.append(note);
/** The word whose meaning is open. @type {HTMLAnchorElement?} */
let opened = null;

/** Show what a word means beneath it, within the window. */
function openMeaning(word) {
  closeMeaning();
  opened = word;
  word.setAttribute("aria-expanded", "true");
  const entry = document.getElementById(word.hash.slice(1));
  const name = Object.assign(document.createElement("strong"), { textContent: entry.querySelector("dt").textContent });
  note.replaceChildren(name, " ", entry.querySelector("dd").textContent);
  note.hidden = false;
  const line = word.getClientRects()[0];
  const left = Math.max(8, Math.min(line.left, document.documentElement.clientWidth - note.offsetWidth - 8));
  note.style.left = `${left + scrollX}px`;
  note.style.top = `${line.bottom + 6 + scrollY}px`;
}

function closeMeaning() {
  opened?.setAttribute("aria-expanded", "false");
  opened = null;
  note.hidden = true;
}

for (const word of document.querySelectorAll("a.term")) {
  word.setAttribute("role", "button");
  word.setAttribute("aria-expanded", "false");
  word.addEventListener("keydown", event => {
    if (event.key !== " ") return;
    event.preventDefault();
    word.click();
  });
}
addEventListener("click", event => {
  const word = event.target.closest("a.term");
  if (word) event.preventDefault();
  if (word && word !== opened) openMeaning(word);
  else if (!note.contains(event.target)) closeMeaning();
});
addEventListener("keydown", event => event.key === "Escape" && closeMeaning());
