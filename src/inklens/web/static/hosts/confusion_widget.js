/** A confusion matrix whose cells open their images. */
import { judging } from '../views/judge.js';
import { serve } from './widget.js';

serve([judging]);
