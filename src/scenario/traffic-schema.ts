import * as z from 'zod';
import { MAX_FRAME_BYTES } from '../../nic/descriptor.js';
import { durationNs, frameBytes, instantNs, rateBps, wireRateBps } from './schema-values.js';

const peakWireRateBps = rateBps.describe('Rate on the wire during a burst');
const meanOnNs = durationNs.default(1_000_000).describe('Mean length of a burst');
const meanOffNs = instantNs.default(1_000_000).describe('Mean length of a silence');
const sizes = z
  .union([
    frameBytes,
    z
      .array(z.strictObject({ bytes: frameBytes, count: z.int().min(1).max(100) }))
      .min(1)
      .max(64),
    z.literal('imix'),
  ])
  .describe(
    'Frame sizes in bytes without FCS: one size, a mix dealt in exact proportions, or "imix" (7:4:1)',
  );

const to = z
  .string()
  .min(1)
  .optional()
  .describe('Name of the guest that the frames are for; the far end of the wire when absent');

const startNs = instantNs
  .optional()
  .describe('When it begins; when absent, a moment that the seed decides (see above)');
const generated = { frameBytes: sizes.default(1514), to, startNs };
const greedy = z
  .strictObject({ kind: z.literal('greedy'), ...generated })
  .describe('As fast as the ring allows');
const constant = z
  .strictObject({ kind: z.literal('constant'), wireRateBps, ...generated })
  .describe('One frame every so often');
const poisson = z
  .strictObject({ kind: z.literal('poisson'), wireRateBps, ...generated })
  .describe('Poisson arrivals: exponential gaps');
const onOff = z
  .strictObject({
    kind: z.literal('on-off'),
    peakWireRateBps,
    meanOnNs,
    meanOffNs,
    lengths: z
      .enum(['fixed', 'exponential'])
      .default('exponential')
      .describe('How the lengths of bursts and silences are distributed'),
    ...generated,
  })
  .describe('Bursts at the peak rate, then silence');
const pareto = z
  .strictObject({
    kind: z.literal('pareto'),
    peakWireRateBps,
    meanOnNs,
    meanOffNs,
    shape: z.number().gt(1).max(10).default(1.5).describe('Shape of the Pareto distribution'),
    ...generated,
  })
  .describe('The same with heavy-tailed (Pareto) lengths');
const replay = z
  .strictObject({
    kind: z.literal('replay'),
    capture: z.string().min(1).describe('pcap or pcapng file, relative to the scenario file; see below'),
    timeFactor: z
      .number()
      .gt(0)
      .max(1e6)
      .default(1)
      .describe('Times of the capture are multiplied by this: 0.1 plays ten times as fast'),
    loop: z.boolean().default(false).describe('Played again and again'),
    loopPauseNs: durationNs.default(1_000_000).describe('Pause before it is played again'),
    local: z
      .string()
      .meta({ pattern: '^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$' })
      .optional()
      .describe('Station of the capture that is the guest, as 02:00:00:00:00:01; without it the busiest one'),
    unfit: z
      .enum(['refuse', 'drop', 'split'])
      .default('refuse')
      .describe(
        'What becomes of frames that no card carries (offloads were on): `refuse` stops, `drop` leaves them out, `split` cuts TCP into segments',
      ),
    startNs,
  })
  .describe('Plays a capture: one station is the guest, all others are the far end');
const request = z
  .strictObject({
    kind: z.literal('request'),
    to,
    requestBytes: z.int().min(30).max(MAX_FRAME_BYTES).default(128).describe('Frame of a request'),
    responseBytes: z.int().min(30).max(MAX_FRAME_BYTES).default(1024).describe('Frame of an answer'),
    outstanding: z.int().min(1).max(1024).default(1).describe('Requests that are under way at once'),
    thinkNs: instantNs.default(0).describe('Wait between an answer and the next request'),
    timeoutNs: durationNs.default(100_000_000).describe('A request without an answer counts as lost then'),
    startNs,
  })
  .describe(
    'Sends requests, a fixed number outstanding; the other side answers each, and may have any number of clients',
  );
const none = z.strictObject({ kind: z.literal('none') }).describe('Sends nothing');

/** Where the frames of a guest, or those for it, come from. */
export const trafficSchema = z
  .discriminatedUnion('kind', [greedy, constant, poisson, onOff, pareto, replay, request, none])
  .describe('Traffic');

/** Traffic that a guest may change to while a run goes on: what only sends. */
export const sentTrafficSchema = z.discriminatedUnion('kind', [
  greedy,
  constant,
  poisson,
  onOff,
  pareto,
  none,
]);
