/** A slider over a path. */
import { penalty } from '../views/penalty.js';
import { serve } from './widget.js';

serve([penalty]);
