import fc from 'fast-check';
import { APPROACHES, type Approach } from '../../host/protection/approaches.js';
import { DISCIPLINES } from '../../scheduler/disciplines/index.js';
import { checkScenario } from '../../src/scenario/load.js';
import type { Scenario, ScenarioInput } from '../../src/scenario/schema.js';

/** Everything that a run needs, so that a counterexample is a run that can be repeated. */
export interface Plan {
  readonly scenario: Scenario;
  readonly approach: Approach;
  readonly discipline: string;
  readonly seed: number;
  readonly durationNs: number;
}

type GuestInput = ScenarioInput['guests'][number];
type TrafficInput = NonNullable<GuestInput['traffic']>;

/** The approaches that there are, those that come later included; `CDNA_APPROACH=none,cdna` looks at some of them only. */
export const approaches: readonly Approach[] = APPROACHES.filter(
  ({ name }) => process.env.CDNA_APPROACH?.split(',').includes(name) ?? true,
);

/** One of them. */
export const anyApproach: fc.Arbitrary<Approach> = fc.constantFrom(...approaches);

/** Names of disciplines; composed ones stand for all that are put together by slash or prefix. */
export const anyDiscipline = fc.constantFrom(
  ...DISCIPLINES.map(({ name }) => name),
  'drr/drr',
  'limited:drr',
);

const frameBytes = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(60, 1514, 9018) },
  { weight: 1, arbitrary: fc.integer({ min: 14, max: 9018 }) },
  { weight: 1, arbitrary: fc.constant('imix' as const) },
  {
    weight: 1,
    arbitrary: fc.array(
      fc.record({ bytes: fc.integer({ min: 14, max: 9018 }), count: fc.integer({ min: 1, max: 3 }) }),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
  },
);
const wireRateBps = fc.integer({ min: 10_000_000, max: 1_500_000_000 });
const startNs = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100_000 }));
const burst = {
  peakWireRateBps: fc.integer({ min: 100_000_000, max: 2_000_000_000 }),
  meanOnNs: fc.integer({ min: 20_000, max: 60_000 }),
  meanOffNs: fc.integer({ min: 0, max: 60_000 }),
};

/** Traffic that only sends. */
const sending: fc.Arbitrary<TrafficInput> = fc.oneof(
  fc.record({ kind: fc.constant('greedy' as const), frameBytes, startNs }),
  fc.record({ kind: fc.constant('constant' as const), wireRateBps, frameBytes, startNs }),
  fc.record({ kind: fc.constant('poisson' as const), wireRateBps, frameBytes, startNs }),
  fc.record({
    kind: fc.constant('on-off' as const),
    ...burst,
    lengths: fc.constantFrom('fixed' as const, 'exponential' as const),
    frameBytes,
    startNs,
  }),
  fc.record({
    kind: fc.constant('pareto' as const),
    ...burst,
    shape: fc.double({ min: 1.1, max: 3, noNaN: true }),
    frameBytes,
    startNs,
  }),
);

const requests: fc.Arbitrary<TrafficInput> = fc.record({
  kind: fc.constant('request' as const),
  requestBytes: fc.integer({ min: 30, max: 2_000 }),
  responseBytes: fc.integer({ min: 30, max: 9018 }),
  outstanding: fc.integer({ min: 1, max: 8 }),
  thinkNs: fc.constantFrom(0, 5_000),
  timeoutNs: fc.integer({ min: 50_000, max: 500_000 }),
});

const slots = fc.constantFrom(8, 16, 32, 64);

/** A guest; `to` is a number that is turned into the name of one of the guests, or into none. */
const guest = fc.record({
  traffic: fc.oneof(
    { weight: 6, arbitrary: sending },
    { weight: 2, arbitrary: requests },
    { weight: 1, arbitrary: fc.constant<TrafficInput>({ kind: 'none' }) },
  ),
  receive: fc.option(sending, { nil: undefined, freq: 2 }),
  to: fc.option(fc.nat({ max: 11 }), { nil: undefined, freq: 3 }),
  weight: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 16 })),
  transmitSlots: slots,
  receiveSlots: slots,
  coalesceFrames: fc.constantFrom(1, 2, 8, 32),
  coalesceNs: fc.constantFrom(0, 1, 3_000, 20_000),
  budget: fc.constantFrom(1, 4, 64),
  bufferBytes: fc.constantFrom(1536 as const, 2048 as const, 4096 as const),
  core: fc.option(fc.nat({ max: 3 }), { nil: undefined, freq: 3 }),
  promiscuous: fc.oneof(
    { weight: 9, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
});

const nic = fc.record(
  {
    rateBps: fc.constantFrom(1e9, 2.5e9, 1e10),
    transmitFifoBytes: fc.constantFrom(9018, 16_384, 65_536),
    receiveShareBytes: fc.constantFrom(9018, 131_072),
    receiveDmaBytes: fc.constantFrom(9018, 65_536),
    descriptorCacheSlots: fc.constantFrom(16, 64),
    descriptorBatch: fc.constantFrom(1, 4, 16),
    dmaInFlight: fc.constantFrom(1, 3, 64),
    decodeNs: fc.constantFrom(0, 100, 2_000),
    interruptGapNs: fc.constantFrom(0, 5_000),
    switching: fc.boolean(),
  },
  { requiredKeys: [] },
);

const link = fc.record(
  {
    propagationNs: fc.constantFrom(0, 1, 500, 20_000),
    queueBytes: fc.constantFrom(9018, 60_000, 2 ** 20),
    reflect: fc.boolean(),
  },
  { requiredKeys: [] },
);

/** Narrows a plan where a law needs it. */
export interface PlanLimits {
  readonly minGuests?: number;
  readonly maxGuests?: number;
  readonly maxNs?: number;
  readonly approach?: fc.Arbitrary<Approach>;
  readonly discipline?: fc.Arbitrary<string>;
}

/** Random runs of the whole machine: guests, traffic both ways, rings, card, cable, cores, protection, discipline. */
export function plans(limits: PlanLimits = {}): fc.Arbitrary<Plan> {
  const { minGuests = 1, maxGuests = 12, maxNs = 600_000 } = limits;
  return fc
    .record({
      guests: fc.array(guest, { minLength: minGuests, maxLength: maxGuests }),
      nic,
      link,
      cores: fc.integer({ min: 1, max: 4 }),
      // From a CPU that is the bottleneck to one that never is.
      hertz: fc.constantFrom(2.4e9, 2e10, 1e11),
      quantumBytes: fc.option(fc.integer({ min: 60, max: 20_000 }), { nil: undefined }),
      approach: limits.approach ?? anyApproach,
      discipline: limits.discipline ?? anyDiscipline,
      seed: fc.nat({ max: 2 ** 31 - 1 }),
      durationNs: fc.integer({ min: 200_000, max: maxNs }),
    })
    .map(({ guests, cores, hertz, quantumBytes, approach, discipline, seed, durationNs, ...card }) => ({
      scenario: checkScenario({
        guests: guests.map((one, index) => namedGuest(one, index, guests.length, cores)),
        ...card,
        host: { cores, hertz, memoryMegabytes: 64 },
        ...(quantumBytes === undefined ? {} : { quantumBytes }),
      }),
      approach,
      discipline,
      seed,
      durationNs,
    }));
}

function namedGuest(one: GuestShape, index: number, count: number, cores: number): GuestInput {
  const { traffic, to, receive, core, ...rest } = one;
  const target = to === undefined ? undefined : to % count;
  const addressed =
    target === undefined || target === index || traffic.kind === 'none' || traffic.kind === 'replay'
      ? traffic
      : { ...traffic, to: `g${target}` };
  return {
    name: `g${index}`,
    memoryMegabytes: 2,
    traffic: addressed,
    ...rest,
    ...(receive === undefined ? {} : { receive }),
    ...(core === undefined ? {} : { core: core % cores }),
  };
}

type GuestShape = typeof guest extends fc.Arbitrary<infer Shape> ? Shape : never;
