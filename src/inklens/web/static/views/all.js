/** The views of a page without a server, in the order of the tabs. */
import { draw } from './draw.js';
import { see } from './see.js';
import { fool } from './fool.js';
import { penalty } from './penalty.js';
import { judging } from './judge.js';
import { learn } from './learn.js';

export const PAGE_VIEWS = [draw, see, fool, penalty, judging, learn];
