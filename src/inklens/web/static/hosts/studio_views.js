/** The studio's other views, fetched once the first picture stands. */
import { fool } from '../views/fool.js';
import { penalty } from '../views/penalty.js';
import { judging } from '../views/judge.js';
import { train } from '../views/train.js';
import { learn } from '../views/learn.js';

globalThis.inklens.app.welcome([fool, penalty, judging, train, learn]);
