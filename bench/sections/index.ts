import type { Section } from '../section.js';
import { endToEnd } from './end-to-end.js';
import { floor } from './floor.js';
import { kernel } from './kernel.js';

/** Every section, in the order in which the bench runs them. The floor stands last, where it shows the drift. */
export const sections: readonly Section[] = [kernel, endToEnd, floor];
