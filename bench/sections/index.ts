import type { Section } from '../section.js';
import { allocation } from './allocation.js';
import { columnReads } from './column-reads.js';
import { components } from './components.js';
import { decisions } from './decisions.js';
import { endToEnd } from './end-to-end.js';
import { floor } from './floor.js';
import { kernel } from './kernel.js';
import { memory } from './memory.js';
import { paired } from './paired.js';
import { programs } from './programs.js';
import { recorded } from './recorded.js';
import { setUp } from './set-up.js';
import { streams } from './streams.js';
import { sweeps } from './sweeps.js';

/** Every section, in the order in which the bench runs them. The floor is last, where it shows the drift. */
export const sections: readonly Section[] = [
  kernel,
  decisions,
  columnReads,
  paired,
  endToEnd,
  recorded,
  streams,
  components,
  allocation,
  memory,
  setUp,
  programs,
  sweeps,
  floor,
];
