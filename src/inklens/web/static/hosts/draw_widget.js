/** A pad to draw on, with why it is read so. */
import { draw } from '../views/draw.js';
import { see } from '../views/see.js';
import { serve } from './widget.js';

serve([draw, see]);
