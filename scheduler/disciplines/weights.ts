import type { ContextId } from '../branded.js';
import { requireWeight } from '../discipline.js';
import { ParameterError } from '../errors.js';
import { MAX_TAG_WEIGHT } from './tag-table.js';

/** Checks that tags can carry a weight. @throws ParameterError if they cannot, or if the sum would be too large. */
export function requireTagWeight(discipline: string, context: ContextId, weight: number, sum: number): void {
  requireWeight(discipline, context, weight);
  if (sum + weight > MAX_TAG_WEIGHT) {
    throw new ParameterError(
      `${discipline}: weight of context ${context} is ${weight}, which makes the sum of weights ${sum + weight}, expected at most ${MAX_TAG_WEIGHT}`,
    );
  }
}

/** @throws ParameterError unless it is a whole number of bytes from 1 to 16384. */
export function requireMaxFrame(discipline: string, maxFrameBytes: number): number {
  if (!Number.isInteger(maxFrameBytes) || maxFrameBytes < 1 || maxFrameBytes > 16384) {
    throw new ParameterError(
      `${discipline}: maxFrameBytes is ${maxFrameBytes}, expected a whole number from 1 to 16384`,
    );
  }
  return maxFrameBytes;
}

/**
 * Largest frame assumed by the disciplines with bounds that depend on it, bytes: 9,000 of payload, header 14, tag 4,
 * and what the wire adds (IEEE 802.3: preamble and delimiter 8, FCS 4, gap 12).
 */
export const DEFAULT_MAX_FRAME_BYTES = 9042;
