import * as z from 'zod';
import { COSTS, type CostName, MOST_COST_CYCLES } from '../../host/cpu/costs.js';
import { MAX_FRAME_BYTES, MIN_FRAME_BYTES } from '../../nic/descriptor.js';
import { PCIE_PARAMETERS } from '../../nic/pcie-link.js';
import { PRIORITY_LEVELS } from '../../scheduler/disciplines/strict-priority.js';
import { MOST_BURST_BYTES } from '../../scheduler/disciplines/token-bucket-limit.js';
import { disciplineName, protectionName } from './names.js';
import { cardNumber, numberFrom, pcieNumber, printable, wholeFrom } from './ranges.js';

/** Seeds are 32 bits without a sign. */
export const MOST_SEED = 2 ** 32 - 1;
/** Guests of a scenario, counts multiplied out. */
export const MOST_GUESTS = 16_384;
/** Longest virtual time of a run, ns: an hour. */
export const MOST_DURATION_NS = 3_600_000_000_000;

/** Whole nanoseconds of virtual time, up to an hour. */
const durationNs = z.int().min(1).max(MOST_DURATION_NS);
/** The same, or 0. */
const instantNs = z.int().min(0).max(MOST_DURATION_NS);
const frameBytes = z.int().min(MIN_FRAME_BYTES).max(MAX_FRAME_BYTES);
const wireRateBps = z.int().min(1_000).max(400_000_000_000);
const powerOfTwoSlots = z
  .int()
  .min(2)
  .max(32_768)
  .refine((slots) => (slots & (slots - 1)) === 0, 'expected a power of two from 2 to 32,768');

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

const sourceStartNs = instantNs
  .optional()
  .describe('When it starts; when absent, a moment of its first period that the seed decides');

const generated = { frameBytes: sizes.default(1514), to, startNs: sourceStartNs };

/** Where the frames of a guest, or those for it, come from. */
export const trafficSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('greedy'), ...generated }).describe('As fast as the ring allows'),
    z
      .strictObject({ kind: z.literal('constant'), wireRateBps, ...generated })
      .describe('Constant rate; wireRateBps counts preamble, FCS and gap'),
    z.strictObject({ kind: z.literal('poisson'), wireRateBps, ...generated }).describe('Poisson arrivals'),
    z
      .strictObject({
        kind: z.literal('on-off'),
        peakWireRateBps: wireRateBps,
        meanOnNs: durationNs.default(1_000_000),
        meanOffNs: instantNs.default(1_000_000),
        lengths: z.enum(['fixed', 'exponential']).default('exponential'),
        ...generated,
      })
      .describe('Bursts at the peak rate, and silences'),
    z
      .strictObject({
        kind: z.literal('pareto'),
        peakWireRateBps: wireRateBps,
        meanOnNs: durationNs.default(1_000_000),
        meanOffNs: instantNs.default(1_000_000),
        shape: z.number().gt(1).max(10).default(1.5),
        ...generated,
      })
      .describe('Bursts and silences with heavy-tailed (Pareto) lengths'),
    z
      .strictObject({
        kind: z.literal('replay'),
        capture: z.string().min(1).describe('pcap or pcapng file, relative to the scenario file'),
        timeFactor: z
          .number()
          .gt(0)
          .max(1e6)
          .default(1)
          .describe('Times of the capture are multiplied by this'),
        loop: z.boolean().default(false).describe('Play again and again'),
        loopPauseNs: durationNs.default(1_000_000),
        local: z
          .string()
          .optional()
          .describe('Address in the capture that plays the guest, as 02:00:00:00:00:01'),
        unfit: z
          .enum(['refuse', 'drop', 'split'])
          .default('refuse')
          .describe(
            'What becomes of frames that no card carries (offloads were on): split cuts them into segments',
          ),
        startNs: instantNs
          .optional()
          .describe('When it starts; when absent, the seed decides: a loop begins somewhere in its round'),
      })
      .describe('Replay of a capture: one station is the guest, the others are the far end'),
    z
      .strictObject({
        kind: z.literal('request'),
        to,
        requestBytes: z.int().min(30).max(MAX_FRAME_BYTES).default(128),
        responseBytes: z.int().min(30).max(MAX_FRAME_BYTES).default(1024),
        outstanding: z.int().min(1).max(1024).default(1),
        thinkNs: instantNs.default(0),
        timeoutNs: durationNs.default(100_000_000),
        startNs: sourceStartNs,
      })
      .describe('Request and response, a fixed number outstanding; the other side answers'),
    z.strictObject({ kind: z.literal('none') }).describe('Sends nothing'),
  ])
  .describe('Traffic');

/** One guest, or `count` of them that are alike. */
export const guestSchema = z.strictObject({
  name: printable(40).optional().describe('Default: guest0, guest1, ...'),
  count: z.int().min(1).max(16_384).default(1).describe('So many guests like this; their names get a number'),
  traffic: trafficSchema
    .default({ kind: 'none' })
    .describe('What the guest sends (a replay also brings what it receives)'),
  receive: trafficSchema.optional().describe('What the far end sends to the guest besides'),
  weight: z.int().min(1).max(65_535).default(1),
  share: z
    .strictObject({
      priority: z
        .int()
        .min(0)
        .max(PRIORITY_LEVELS - 1)
        .optional()
        .describe('Smaller goes first (priority)'),
      deadlineNs: durationNs.optional().describe('From the head of the queue to the wire (edf)'),
      tenant: z
        .union([z.int().min(0).max(4095), printable(40)])
        .optional()
        .describe('Tenant in a hierarchy (a/b): a name from `tenants`, or a number where none are listed'),
      limitBps: wireRateBps.optional().describe('Upper limit (limited:a)'),
      burstBytes: wholeFrom(0, MOST_BURST_BYTES).optional().describe('What may go at once under the limit'),
      minimumBps: wireRateBps.optional().describe('Lower limit, served before weights count (minimum:a)'),
      maxFrameBytes: frameBytes
        .optional()
        .describe('Largest frame that it sends, without FCS (qfq); with a longer one it counts as any other'),
    })
    .optional()
    .describe('What the guest is entitled to besides its weight, for disciplines that ask for it'),
  memoryMegabytes: z
    .int()
    .min(1)
    .max(65_536)
    .default(128)
    .describe('RAM of the guest; only what is touched costs memory'),
  transmitSlots: powerOfTwoSlots.default(256),
  receiveSlots: powerOfTwoSlots.default(256),
  core: z.int().min(0).max(1023).optional().describe('Core it runs on; round-robin when absent'),
  antiSpoofing: z.boolean().default(true).describe("Frames must carry the guest's own source address"),
  promiscuous: z.boolean().default(false),
  attached: z
    .boolean()
    .optional()
    .describe('A real virtual machine that attaches to `serve`; it makes its own traffic'),
  coalesceFrames: z.int().min(1).max(65_535).default(8),
  coalesceNs: z.int().min(0).max(1_000_000_000).default(20_000),
  budget: z.int().min(1).max(4096).default(64).describe('Frames a poll handles before others get the core'),
  bufferBytes: z.union([z.literal(2048), z.literal(4096)]).default(2048),
});

/** A tenant: a node of a hierarchy between the wire and the guests. */
export const tenantSchema = z.strictObject({
  name: printable(40),
  parent: z.string().optional().describe('Tenant that it belongs to; directly below the wire when absent'),
  weight: z.int().min(1).max(65_535).default(1),
  priority: z
    .int()
    .min(0)
    .max(PRIORITY_LEVELS - 1)
    .optional()
    .describe('Smaller goes first (priority)'),
  deadlineNs: durationNs.optional().describe('From the head of the queue to the wire (edf)'),
  limitBps: wireRateBps.optional().describe('Upper limit (limited:a)'),
  burstBytes: wholeFrom(0, MOST_BURST_BYTES).optional().describe('What may go at once under the limit'),
  minimumBps: wireRateBps.optional().describe('Lower limit, served before weights count (minimum:a)'),
});

/** The link of the card, from the table that checks it and writes the datasheet. */
const pcieSchema = z.strictObject({
  generation: z.literal([1, 2, 3, 4, 5]).describe(PCIE_PARAMETERS.generation.meaning).optional(),
  lanes: pcieNumber('lanes'),
  maxPayloadBytes: pcieNumber('maxPayloadBytes'),
  maxReadRequestBytes: pcieNumber('maxReadRequestBytes'),
  readCompletionBoundaryBytes: pcieNumber('readCompletionBoundaryBytes'),
  requestHeaderBytes: pcieNumber('requestHeaderBytes'),
  completionHeaderBytes: pcieNumber('completionHeaderBytes'),
  dataLinkEfficiency: pcieNumber('dataLinkEfficiency'),
  propagationNs: pcieNumber('propagationNs'),
});

/** The card, likewise. */
export const nicSchema = z.strictObject({
  contexts: cardNumber('contexts'),
  rateBps: cardNumber('rateBps'),
  transmitFifoBytes: cardNumber('transmitFifoBytes'),
  receiveShareBytes: cardNumber('receiveShareBytes'),
  receiveDmaBytes: cardNumber('receiveDmaBytes'),
  descriptorCacheSlots: cardNumber('descriptorCacheSlots'),
  descriptorBatch: cardNumber('descriptorBatch'),
  dmaInFlight: cardNumber('dmaInFlight'),
  decodeNs: cardNumber('decodeNs'),
  interruptGapNs: cardNumber('interruptGapNs'),
  switchNs: cardNumber('switchNs'),
  overheadBytes: cardNumber('overheadBytes'),
  switching: z.boolean().optional().describe('Frames between guests stay inside the NIC'),
  pcie: pcieSchema.optional(),
});

/** Cycles by the name of the operation, from the table of costs. */
const costsSchema = z.strictObject(
  Object.fromEntries(
    Object.entries(COSTS).map(([name, { per }]) => [
      name,
      numberFrom(0, MOST_COST_CYCLES).describe(`Cycles per ${per}`).optional(),
    ]),
  ) as Record<CostName, z.ZodOptional<z.ZodNumber>>,
);

/** The machine around it. */
export const hostSchema = z.strictObject({
  memoryMegabytes: z.int().min(16).max(262_144).optional(),
  cores: z.int().min(1).max(1024).optional(),
  hertz: z.number().min(1e6).max(1e11).optional(),
  costs: costsSchema.optional().describe('Cycles by name; see docs/scenarios.md'),
  faultPolicy: z.enum(['log', 'revoke', 'kill']).optional(),
});

/** Memory that is taken back from guests while traffic runs. */
export const balloonSchema = z.strictObject({
  pages: z
    .int()
    .min(1)
    .max(2 ** 26)
    .describe('Pages that are wanted, of all guests together'),
  everyNs: durationNs.default(100_000).describe('One request every so many ns, of a guest by chance'),
  startNs: instantNs.default(0),
  bufferPercent: z
    .int()
    .min(0)
    .max(100)
    .default(25)
    .describe('Requests out of 100 that are for a page with buffers in it; the others for unused pages'),
});

/** What IOMMUs are like, for the approaches that have one. */
export const iommuSchema = z
  .strictObject({
    vendor: z.enum(['vtd', 'amdvi']).optional().describe('Whose tables, registers, queue and log'),
    oneRequesterId: z.boolean().optional().describe('The whole card is one device to the IOMMU'),
    cachingMode: z.boolean().optional().describe('VT-d: the unit may remember that there is no mapping'),
    iotlbEntries: z
      .int()
      .min(1)
      .max(65_536)
      .optional()
      .describe('Translations that the IOTLB holds, any page anywhere'),
    walkers: z.int().min(1).max(65_536).optional().describe('Walks under way at once'),
    tableReadNs: z.int().min(0).max(1_000_000).optional().describe('A read of a table by the walker'),
    pageInvalidationNs: z.int().min(0).max(1_000_000).optional().describe('An invalidation of a range'),
    queueEntries: z.int().min(1).max(65_536).optional().describe('deferred: ranges that wait for one flush'),
    timeoutNs: durationNs.optional().describe('deferred: longest wait for the flush'),
    pinUntilFlush: z.boolean().optional().describe('deferred: a page keeps its reference until the flush'),
    quotaPages: z
      .int()
      .min(1)
      .max(2 ** 24)
      .optional()
      .describe('persistent: pages that a guest may keep mapped'),
    linuxKernel: z
      .enum(['6.1', '6.12'])
      .optional()
      .describe('single-use: whose strict mode; 6.1 drops walk caches at each unmap, 6.12 does not'),
  })
  .superRefine(({ vendor, cachingMode }, context) => {
    if (vendor !== 'amdvi' || cachingMode === undefined) return;
    const message = 'expected none with iommu.vendor "amdvi": it is a bit of VT-d (CAP.CM)';
    context.addIssue({ code: 'custom', path: ['cachingMode'], message });
  });

/** A scenario as a person writes it. Everything but the guests has a default. */
export const scenarioSchema = z.strictObject({
  $schema: z.string().optional(),
  name: printable(80).optional(),
  guests: z
    .array(guestSchema)
    .min(1)
    .max(MOST_GUESTS)
    .superRefine((guests, context) => {
      // Before any of them is made: counts multiply.
      const all = guests.reduce((sum, { count }) => sum + count, 0);
      if (all <= MOST_GUESTS) return;
      context.addIssue({
        code: 'custom',
        message: `expected at most ${MOST_GUESTS} guests in all, not ${all}`,
      });
    }),
  tenants: z
    .array(tenantSchema)
    .min(1)
    .max(4096)
    .optional()
    .describe('Nodes of a hierarchy (a/b, a/b/c) between the wire and the guests'),
  nic: nicSchema.optional(),
  host: hostSchema.optional(),
  link: z
    .strictObject({
      propagationNs: z.int().min(0).max(1_000_000_000).optional(),
      queueBytes: z
        .int()
        .min(9018)
        .max(2 ** 30)
        .optional(),
      reflect: z.boolean().optional().describe('The far end sends frames for other guests back'),
    })
    .optional(),
  iommu: iommuSchema.optional(),
  balloon: balloonSchema
    .optional()
    .describe('Takes pages back from guests while traffic runs, and gives them to another owner'),
  protection: protectionName.optional().describe('Approach of `run`; `compare` runs several'),
  discipline: disciplineName.optional().describe('Transmit and receive DMA scheduler'),
  quantumBytes: z.int().min(1).max(1_000_000).optional().describe('Bytes that a visit grants a weight of 1'),
  seed: z.int().min(0).max(MOST_SEED).optional(),
  warmUpNs: z
    .int()
    .min(0)
    .max(3_600_000_000_000)
    .optional()
    .describe('Virtual time that runs before the measured window, and is not measured'),
  durationNs: durationNs.optional().describe('Virtual time that is measured'),
});

/** What `defineScenario` takes: defaults may be left out. */
export type ScenarioInput = z.input<typeof scenarioSchema>;
/** A checked scenario with its defaults filled in. */
export type Scenario = z.output<typeof scenarioSchema>;
export type GuestSpec = z.output<typeof guestSchema>;
export type TenantSpec = z.output<typeof tenantSchema>;
export type TrafficSpec = z.output<typeof trafficSchema>;

/** Types a scenario in a .ts file; nothing is checked until it is loaded. */
export function defineScenario(scenario: ScenarioInput): ScenarioInput {
  return scenario;
}
