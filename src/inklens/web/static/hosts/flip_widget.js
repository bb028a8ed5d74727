/** The least change that makes the model answer another class. */
import { fool } from '../views/fool.js';
import { serve } from './widget.js';

serve([fool]);
