// The race is on: look again until the page says that it is over. What was opened stays open; scrolling is the browser's.
{
  const EVERY_MS = 2000;
  const LONGEST_MS = 15 * 60 * 1000; // a race that has told nothing for so long was killed
  const KEY = 'inklens-siblings-doors';
  const written = Date.parse(document.currentScript.dataset.written);
  const doors = [...document.querySelectorAll('details')];
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? '{}');
  for (const door of doors) {
    if (door.id in kept) door.open = kept[door.id];
    door.querySelector('summary').addEventListener('click', () => {
      kept[door.id] = !door.open; // it turns after the click
      sessionStorage.setItem(KEY, JSON.stringify(kept));
    });
  }
  const look = () => {
    if (Date.now() - written > LONGEST_MS) return;
    if (document.visibilityState === 'visible') location.reload();
    else setTimeout(look, EVERY_MS);
  };
  setTimeout(look, EVERY_MS);
}
