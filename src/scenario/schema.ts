import * as z from 'zod';
import { DEFAULT_DRIVER } from '../../guests/nic-driver.js';
import { BUFFER_BYTES } from '../../guests/ring-buffers.js';
import { COSTS, type CostName, MOST_COST_CYCLES } from '../../host/cpu/costs.js';
import { DEFAULT_HOST } from '../../host/host.js';
import { FAULT_POLICIES } from '../../host/hypervisor/fault-log.js';
import { IOVA_ERA_NAMES } from '../../host/protection/iommu/iova-eras.js';
import { MAX_FRAME_BYTES } from '../../nic/descriptor.js';
import { MOST_WEIGHT } from '../../nic/management-page.js';
import { PCIE_PARAMETERS } from '../../nic/pcie-link.js';
import { MOST_QUANTA, TRAFFIC_CLASSES } from '../../nic/pfc-frame.js';
import { PRIORITY_LEVELS } from '../../scheduler/disciplines/strict-priority.js';
import { MOST_BURST_BYTES } from '../../scheduler/disciplines/token-bucket-limit.js';
import { disciplineName, protectionName } from './names.js';
import { cardNumber, numberFrom, pcieNumber, printable, wholeFrom } from './ranges.js';
import { durationNs, frameBytes, instantNs, wireRateBps } from './schema-values.js';
import { sentTrafficSchema, trafficSchema } from './traffic-schema.js';

export { MOST_DURATION_NS } from './schema-values.js';
export { trafficSchema } from './traffic-schema.js';

/** Seeds are 32 bits without a sign. */
export const MOST_SEED = 2 ** 32 - 1;
/** Guests of a scenario, counts multiplied out. */
export const MOST_GUESTS = 16_384;
/** RAM of the largest machine: 256 GB. */
export const MOST_MEMORY_BYTES = 2 ** 38;
/** What a machine needs for itself, besides what each guest has and takes. */
export const OWN_MEMORY_BYTES = 512 * 2 ** 20;
const GUEST_MEGABYTES = 128;
/** So many guests of the usual memory are more than the largest machine has. */
const TOO_MANY_USUAL = Math.floor((MOST_MEMORY_BYTES - OWN_MEMORY_BYTES) / (GUEST_MEGABYTES * 2 ** 20)) + 1;
const weight = z.int().min(1).max(MOST_WEIGHT);
const priority = z
  .int()
  .min(0)
  .max(PRIORITY_LEVELS - 1);
const trafficClass = z
  .int()
  .min(0)
  .max(TRAFFIC_CLASSES - 1);
/** How urgent frames are: of a guest's share, and of a tenant. */
const urgency = {
  priority: priority.optional().describe('Smaller goes first (priority)'),
  deadlineNs: durationNs.optional().describe('From the head of the queue to the wire (edf)'),
};
/** Limits of a rate: likewise. */
const limits = {
  limitBps: wireRateBps.optional().describe('Upper limit (limited:a)'),
  burstBytes: wholeFrom(0, MOST_BURST_BYTES)
    .optional()
    .describe('What may go at once under the limit (limited:a)'),
  minimumBps: wireRateBps.optional().describe('Lower limit, served before weights count (minimum:a)'),
};
const powerOfTwoSlots = z
  .int()
  .min(2)
  .max(32_768)
  .refine((slots) => (slots & (slots - 1)) === 0, 'expected a power of two from 2 to 32,768')
  // What is refined is not in a JSON Schema unless it is said in its own words; so below.
  .meta({ allOf: [{ enum: Array.from({ length: 15 }, (_, power) => 2 ** (power + 1)) }] });

const ringSlots = powerOfTwoSlots.default(256).describe('Ring size, a power of two');

/** Cards that a real guest can find in its machine. */
const GUEST_CARDS = ['virtio', 'cdna'] as const;

/** One guest, or `count` of them that are alike. */
const guestSchema = z
  .strictObject({
    name: printable(40).optional().describe('Its name in results and for `to`'),
    count: z
      .int()
      .min(1)
      .max(MOST_GUESTS)
      .default(1)
      .describe('So many alike; with a name they are numbered: `web0`, `web1`'),
    traffic: trafficSchema
      .default({ kind: 'none' })
      .describe('What it sends; a replay also brings what it receives'),
    receive: trafficSchema
      .meta({
        not: { anyOf: [{ properties: { kind: { enum: ['replay', 'request'] } } }, { required: ['to'] }] },
      })
      .optional()
      .describe('What the far end sends to it besides: any kind but `replay` and `request`'),
    weight: weight.default(1).describe('Share of the wire, for disciplines with weights'),
    share: z
      .strictObject({
        ...urgency,
        tenant: z
          .union([z.int().min(0).max(4095), printable(40)])
          .optional()
          .describe('Tenant in a hierarchy (a/b): a name from `tenants`, or a number where none are listed'),
        ...limits,
        maxFrameBytes: frameBytes
          .optional()
          .describe(
            'Largest frame that it sends, without FCS (qfq); with a longer one it counts as any other',
          ),
      })
      .optional()
      .describe('What it is entitled to besides its weight, for disciplines that ask for it; see below'),
    trafficClass: trafficClass
      .optional()
      .describe('Its traffic class, for priority flow control (`nic.pfcClasses`); 0 unless it is said'),
    memoryMegabytes: z
      .int()
      .min(1)
      .max(65_536)
      .default(GUEST_MEGABYTES)
      .describe('Its RAM; only what is touched costs memory here'),
    transmitSlots: ringSlots,
    receiveSlots: ringSlots,
    core: z.int().min(0).max(1023).optional().describe('The core that it runs on'),
    antiSpoofing: z.boolean().default(true).describe('Its frames must carry its own source address'),
    promiscuous: z.boolean().default(false).describe('It receives every frame'),
    attached: z
      .boolean()
      .optional()
      .describe('A real virtual machine that attaches to `serve`; it makes its own traffic'),
    card: z
      .enum(GUEST_CARDS)
      .optional()
      .describe(
        'What an attached machine finds: `virtio`, a network card that every system has a driver for, or `cdna`, a context of this card with registers of its own, for the driver in `guests/linux`',
      ),
    coalesceFrames: z
      .int()
      .min(1)
      .max(65_535)
      .default(8)
      .describe('An interrupt after so many frames, or after `coalesceNs`'),
    coalesceNs: z
      .int()
      .min(0)
      .max(1_000_000_000)
      .default(20_000)
      .describe('An interrupt so long after the first frame, if not earlier'),
    budget: z
      .int()
      .min(1)
      .max(4096)
      .default(64)
      .describe('Frames that one poll handles before others get the core'),
    bufferBytes: z
      .literal([...BUFFER_BYTES])
      .default(DEFAULT_DRIVER.bufferBytes)
      .describe(
        "1536 cuts receive buffers from pieces of 32 KB, some across two pages, as Linux's virtio_net does (transmit buffers are 2048); 2048 puts two on a page; 4096 gives each its own",
      ),
  })
  .superRefine(({ card, attached }, context) => {
    if (card === undefined || attached === true) return;
    context.addIssue({
      code: 'custom',
      path: ['card'],
      message: 'expected only together with "attached": true',
    });
  })
  .meta({
    not: { required: ['count'], properties: { count: { minimum: TOO_MANY_USUAL }, memoryMegabytes: false } },
    if: { required: ['card'] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema, of which this is a part.
    then: { required: ['attached'], properties: { attached: { const: true } } },
  });

/** A tenant: a node of a hierarchy between the wire and the guests. */
const tenantSchema = z.strictObject({
  name: printable(40).describe('For `share.tenant` of guests, and `parent` of other tenants'),
  parent: z.string().optional().describe('Tenant that it belongs to'),
  weight: weight.default(1).describe('Share, for disciplines with weights'),
  ...urgency,
  ...limits,
});

/** The link of the card, from the table that checks it and writes the datasheet. */
const pcieSchema = z.strictObject({
  generation: z.literal([1, 2, 3, 4, 5, 6]).describe(PCIE_PARAMETERS.generation.meaning).optional(),
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
const nicSchema = z.strictObject({
  contexts: cardNumber('contexts'),
  rateBps: cardNumber('rateBps'),
  transmitFifoBytes: cardNumber('transmitFifoBytes'),
  switchFifoBytes: cardNumber('switchFifoBytes'),
  receiveShareBytes: cardNumber('receiveShareBytes'),
  receiveDmaBytes: cardNumber('receiveDmaBytes'),
  descriptorCacheSlots: cardNumber('descriptorCacheSlots'),
  descriptorBatch: cardNumber('descriptorBatch'),
  dmaInFlight: cardNumber('dmaInFlight'),
  decodeNs: cardNumber('decodeNs'),
  interruptGapNs: cardNumber('interruptGapNs'),
  switchNs: cardNumber('switchNs'),
  overheadBytes: cardNumber('overheadBytes'),
  pfcClasses: cardNumber('pfcClasses'),
  pfcReceiveBytes: cardNumber('pfcReceiveBytes'),
  pfcXoffBytes: cardNumber('pfcXoffBytes'),
  pfcXonBytes: cardNumber('pfcXonBytes'),
  pfcQuanta: cardNumber('pfcQuanta'),
  switching: z.boolean().optional().describe('Frames between guests stay inside the NIC'),
  pcie: pcieSchema.optional().describe('Its link to the host; see below'),
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
const hostSchema = z.strictObject({
  memoryMegabytes: z.int().min(16).max(262_144).optional().describe('RAM of the machine'),
  cores: z.int().min(1).max(1024).optional().describe('Shared by hypervisor, driver domain and guests'),
  hertz: z.number().min(1e6).max(1e11).optional().describe('Clock of each core'),
  costs: costsSchema.optional().describe('Cycles that an operation takes, by name; see below'),
  faultPolicy: z
    .enum(FAULT_POLICIES)
    .optional()
    .describe('What becomes of a guest that broke a rule: `log` it, `revoke` its context, or `kill` it'),
});

/** Memory that is taken back from guests while traffic runs. */
export const balloonSchema = z.strictObject({
  pages: z
    .int()
    .min(1)
    .max(2 ** 26)
    .describe('Pages that are wanted, of all guests together'),
  everyNs: durationNs.default(100_000).describe('One request every so often, of a guest by chance'),
  startNs: instantNs.default(0).describe('When it begins'),
  bufferPercent: z
    .int()
    .min(0)
    .max(100)
    .default(25)
    .describe('Requests out of 100 that are for a page with buffers in it; the rest are for unused pages'),
});

/** What IOMMUs are like, for the approaches that have one. */
const iommuSchema = z
  .strictObject({
    vendor: z.enum(['vtd', 'amdvi']).optional().describe('Whose tables, registers, queue and log'),
    oneRequesterId: z
      .boolean()
      .optional()
      .describe('The whole card is one device to the IOMMU, which then cannot tell the guests apart'),
    cachingMode: z
      .boolean()
      .optional()
      .describe('VT-d: the unit may remember that there is no mapping (CAP.CM)'),
    faultLimit: z
      .int()
      .min(1)
      .max(65_536)
      .optional()
      .describe('The fault at which a function is stopped, as Xen stops one at its tenth'),
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
    tablePages: z
      .int()
      .min(1)
      .max(2 ** 24)
      .optional()
      .describe('flush-on-wrap: pages of addresses that its bitmap has'),
    lineFlushNs: z
      .int()
      .min(0)
      .max(1_000_000)
      .optional()
      .describe('flush-on-wrap: a cache-line flush after a table write'),
    quiesceNs: z
      .int()
      .min(0)
      .max(1_000_000_000)
      .optional()
      .describe('flush-on-wrap: bringing the bus to rest for a flush'),
    iovaAllocator: z
      .enum(IOVA_ERA_NAMES)
      .optional()
      .describe(
        'single-use, deferred: how the kernel finds addresses, and at what cost (docs/protection.md)',
      ),
  })
  .superRefine(({ vendor, cachingMode }, context) => {
    if (vendor !== 'amdvi' || cachingMode === undefined) return;
    const message = 'expected none with iommu.vendor "amdvi": it is a bit of VT-d (CAP.CM)';
    context.addIssue({ code: 'custom', path: ['cachingMode'], message });
  })
  .meta({ not: { required: ['vendor', 'cachingMode'], properties: { vendor: { const: 'amdvi' } } } });

/** Fields of a change, of which each has one; the wire's rate is that of no guest. In a fingerprint a field goes by its place. */
export const CHANGED = ['weight', 'limitBps', 'priority', 'balloon', 'traffic', 'rateBps'] as const;

const ofWire = (field: (typeof CHANGED)[number]) => field === 'rateBps';

/** What changes while the run goes on, one thing at a time: a field of a guest, or the rate of the wire. */
const changeSchema = z
  .strictObject({
    atNs: instantNs.describe('Virtual time from the start of the run, warm-up included'),
    guest: z.string().min(1).optional().describe('Name of the guest; none for the rate of the wire'),
    weight: weight.optional().describe('Its weight from then on'),
    limitBps: wireRateBps
      .nullable()
      .optional()
      .describe(
        'Its upper limit, null for none, where `limited:a` is in front of the guests; what it sent in advance stays charged, in bytes',
      ),
    priority: priority.optional().describe('Its priority, where `priority` decides between the guests'),
    balloon: z
      .int()
      .min(1)
      .max(2 ** 26)
      .optional()
      .describe('Pages that the guest is asked to give back'),
    traffic: sentTrafficSchema
      .optional()
      .describe(
        'What it sends from then on, in place of what it sent; it begins at once, for the station of before',
      ),
    rateBps: cardNumber('rateBps').describe(
      'Rate of the wire, both ways, from then on; the frame that is on it ends at the rate at which it began',
    ),
  })
  .superRefine((change, context) => {
    const given = CHANGED.filter((field) => change[field] !== undefined);
    const [field] = given;
    if (given.length !== 1 || field === undefined) {
      const message = `expected exactly one of ${CHANGED.join(', ')}, not ${given.length}`;
      context.addIssue({ code: 'custom', message });
    } else if (ofWire(field) !== (change.guest === undefined)) {
      const message = ofWire(field)
        ? 'expected none: the wire is that of all guests'
        : 'expected the name of a guest';
      context.addIssue({ code: 'custom', path: ['guest'], message });
    }
  })
  .meta({
    oneOf: CHANGED.map((field) =>
      ofWire(field) ? { required: [field], not: { required: ['guest'] } } : { required: ['guest', field] },
    ),
  });

/** A pause that the far end asks for. */
const pauseSchema = z.strictObject({
  atNs: instantNs.describe('When the far end sends it, from the start of the run, warm-up included'),
  trafficClass: trafficClass.describe('The class that it is about, one of `nic.pfcClasses`'),
  quanta: z.int().min(0).max(MOST_QUANTA).describe('How long, in units of 512 bit times; 0 ends a pause'),
});

/** A scenario as a person writes it. Everything but the guests has a default. */
export const scenarioSchema = z
  .strictObject({
    $schema: z.string().optional(),
    name: printable(80).optional().describe('Shown above the results'),
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
      })
      .describe('One entry per guest, or per group of guests that are alike; see below'),
    tenants: z
      .array(tenantSchema)
      .min(1)
      .max(4096)
      .optional()
      .describe('Nodes of a hierarchy (a/b, a/b/c) between the wire and the guests; see below'),
    nic: nicSchema.optional().describe('The card; see below'),
    host: hostSchema.optional().describe('The machine around it; see below'),
    link: z
      .strictObject({
        propagationNs: z.int().min(0).max(1_000_000_000).optional().describe('One way along the cable'),
        queueBytes: z
          .int()
          .min(MAX_FRAME_BYTES)
          .max(2 ** 30)
          .optional()
          .describe('Bytes that may wait at the far end'),
        reflect: z
          .boolean()
          .optional()
          .describe('The far end sends frames for other guests back, as an 802.1Qbg switch does'),
        pauses: z
          .array(pauseSchema)
          .max(65_536)
          .optional()
          .describe('Pauses of traffic classes that it asks the card for; see below'),
      })
      .optional()
      .describe('The cable and what is at its far end; see below'),
    iommu: iommuSchema.optional().describe('For the approaches that have an IOMMU; see below'),
    balloon: balloonSchema
      .optional()
      .describe(
        'Takes pages back from guests while traffic runs, and gives them to another owner; see below',
      ),
    changes: z
      .array(changeSchema)
      .max(65_536)
      .optional()
      .describe(
        'What changes while the run goes on: weight, limit, priority, memory or traffic of a guest, or the rate of the wire; see below',
      ),
    protection: protectionName
      .optional()
      .describe('Approach of `run`; `compare` runs them all unless told which'),
    discipline: disciplineName.optional().describe('DMA scheduler, of transmit and of receive'),
    quantumBytes: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe('Bytes that a visit grants a weight of 1, where the discipline has visits (drr, srr)'),
    seed: z
      .int()
      .min(0)
      .max(MOST_SEED)
      .optional()
      .describe(
        'Seed of everything that is random, start phases included; each source draws from a seed of its own made from it',
      ),
    warmUpNs: instantNs
      .optional()
      .describe('Virtual time before the measured window; only `fingerprint` and `laws` include it'),
    durationNs: durationNs.optional().describe('Virtual time that is measured'),
  })
  .meta({
    // A guest runs on a core of the host: of how many is known here only where the scenario does not say.
    anyOf: [
      { required: ['host'], properties: { host: { required: ['cores'] } } },
      { properties: { guests: { items: { properties: { core: { maximum: DEFAULT_HOST.cores - 1 } } } } } },
    ],
  });

/** What `defineScenario` takes: defaults may be left out. */
export type ScenarioInput = z.input<typeof scenarioSchema>;
/** A checked scenario with its defaults filled in. */
export type Scenario = z.output<typeof scenarioSchema>;
export type GuestSpec = z.output<typeof guestSchema>;
export type ChangeSpec = z.output<typeof changeSchema>;
export type TenantSpec = z.output<typeof tenantSchema>;
export type TrafficSpec = z.output<typeof trafficSchema>;
export type SentTraffic = z.output<typeof sentTrafficSchema>;

/** Types a scenario in a .ts file; nothing is checked until it is loaded. */
export function defineScenario(scenario: ScenarioInput): ScenarioInput {
  return scenario;
}
