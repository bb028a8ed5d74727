/**
 * Effects of what is on the screen. A part that is scrolled away does not follow the pen; it is brought up to date when
 * it comes into sight, and whenever the pad comes to rest, for printing and for those who read the page otherwise.
 */
import { effect, signal, untracked } from './vendor/signals-core.js';

const MARGIN = '200px'; // round the screen: a part is ready before it is seen

/**
 * Run `act` now, and again after a change of what it reads while the element is in sight or the pad rests.
 * @param {Element} element @param {import('./app.js').App} app @param {() => void} act
 * @returns {() => void} ends it
 */
export function seen(element, app, act) {
  const inSight = signal(true);
  const observer = new IntersectionObserver((entries) => { inSight.value = entries.at(-1).isIntersecting; }, { rootMargin: MARGIN });
  observer.observe(element);
  const end = effect(() => {
    if (inSight.value) act();
    else {
      void app.settled.value;
      void app.language.value;
      untracked(act);
    }
  });
  return () => {
    observer.disconnect();
    end();
  };
}

/**
 * Run `act` as `seen` does, but no more often than words can be read: ten times a second while the pen moves.
 * @param {Element} element @param {import('./app.js').App} app @param {() => void} act
 * @returns {() => void} ends it
 */
export function readably(element, app, act) {
  return seen(element, app, () => {
    void app.readable.value;
    untracked(act);
  });
}
