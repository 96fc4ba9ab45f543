import * as z from 'zod';
import { MAX_FRAME_BYTES, MIN_FRAME_BYTES } from '../../nic/descriptor.js';

// Kinds of numbers that several parts of a scenario have.

/** Longest virtual time of a run, ns: an hour. */
export const MOST_DURATION_NS = 3_600_000_000_000;

/** Whole nanoseconds of virtual time, up to an hour. */
export const durationNs = z.int().min(1).max(MOST_DURATION_NS);
/** The same, or 0. */
export const instantNs = z.int().min(0).max(MOST_DURATION_NS);
/** Length of a frame, without FCS. */
export const frameBytes = z.int().min(MIN_FRAME_BYTES).max(MAX_FRAME_BYTES);
/** The fastest wire of the card, bit/s. */
const MOST_RATE_BPS = 8e11;
/** A rate of frames, bit/s. */
export const rateBps = z.int().min(1_000).max(MOST_RATE_BPS);
export const wireRateBps = rateBps.describe('Rate on the wire: preamble, FCS and gap count');
