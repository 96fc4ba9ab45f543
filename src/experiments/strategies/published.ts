import type { ReferenceFigure } from '../reference-figure.js';

export const ATC_2008 = 'Willmann, Rixner, Cox, USENIX ATC 2008';

/** The one figure of ATC 2008 that we know of: "near 100 %" in steady state. Its shares of the CPU were not found. */
export const PERSISTENT_REUSE: ReferenceFigure = {
  name: 'persistent: mappings reused',
  value: 100,
  unit: '%',
  source: ATC_2008,
  certainty: 'M',
};
