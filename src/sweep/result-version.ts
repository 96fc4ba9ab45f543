import { createHash } from 'node:crypto';
import { MODEL_VERSION } from '../machine/model-version.js';
import { GUEST_METRICS } from '../report/metrics/guest-metrics.js';
import { RUN_METRICS } from '../report/metrics/run-metrics.js';

/**
 * Version of what an outcome holds: what a run computes, and which metrics in which order it is written down by. Outcomes
 * of two such versions are never put into one table.
 */
export const RESULT_VERSION: string = `${MODEL_VERSION}-${createHash('sha256')
  .update([...RUN_METRICS, { id: '' }, ...GUEST_METRICS].map(({ id }) => id).join())
  .digest('hex')
  .slice(0, 8)}`;
