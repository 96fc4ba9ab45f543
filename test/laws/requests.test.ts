import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { LinkPartner } from '../../guests/link-partner.js';
import { EchoResponder, RequestClient, RequestServer } from '../../guests/traffic/index.js';
import { TransmitRing } from '../../guests/transmit-ring.js';
import { makeProtection } from '../../host/protection/approaches.js';
import { Forwarding } from '../../nic/forwarding.js';
import { FrameFlow } from '../../nic/frame-flow.js';
import { type RunResult, runScenario } from '../../src/machine/run.js';
import { checkScenario } from '../../src/scenario/load.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { simulate } from '../../src/simulate.js';
import { turnOf } from '../support/whole.js';
import { LawBook } from './law-book.js';

const laws = new LawBook('requests');

interface Clients {
  /** Requests under way of each client at once. */
  readonly outstanding: readonly number[];
  readonly servers: number;
  readonly timeoutNs: number;
  readonly discipline: string;
  readonly protection: string;
  /** Receive slots of the servers: few of them lose requests. */
  readonly receiveSlots: number;
  readonly switching: boolean;
  /** Whether the far end sends frames of one guest for another back. */
  readonly reflect: boolean;
  /** A guest that sends beside them, and what the far end sends to the servers, Mb/s. */
  readonly beside: 'none' | 'greedy' | 'poisson';
  readonly inboundMbps: number;
  readonly seed: number;
}

const clients: fc.Arbitrary<Clients> = fc.record({
  outstanding: fc.array(fc.integer({ min: 1, max: 32 }), { minLength: 1, maxLength: 6 }),
  servers: fc.integer({ min: 1, max: 2 }),
  timeoutNs: fc.constantFrom(200_000, 10_000_000),
  discipline: fc.constantFrom('drr', 'sfq', 'wf2q+', 'prr'),
  protection: fc.constantFrom('none', 'cdna', 'iommu:single-use', 'driver-domain', 'iommu:swiotlb', 'dev'),
  receiveSlots: fc.constantFrom(4, 256),
  switching: fc.boolean(),
  reflect: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
  beside: fc.constantFrom('none', 'greedy', 'poisson'),
  inboundMbps: fc.constantFrom(0, 0, 900),
  seed: fc.nat({ max: 2 ** 31 - 1 }),
});

function besides(kind: Clients['beside']): ScenarioInput['guests'] {
  if (kind === 'none') return [];
  return [
    {
      name: 'beside',
      traffic: kind === 'greedy' ? { kind } : { kind, wireRateBps: 800_000_000, to: 'server0' },
    },
  ];
}

const lawOf = ({ laws: judged }: RunResult) => judged.find(({ law }) => law === 'requests');

function run(plan: Clients, durationNs: number): RunResult {
  const scenario: ScenarioInput = {
    guests: [
      ...Array.from({ length: plan.servers }, (_, server) => ({
        name: `server${server}`,
        receiveSlots: plan.receiveSlots,
        ...(plan.inboundMbps === 0
          ? {}
          : { receive: { kind: 'constant' as const, wireRateBps: plan.inboundMbps * 1e6 } }),
      })),
      ...plan.outstanding.map((outstanding, client) => ({
        name: `client${client}`,
        traffic: {
          kind: 'request' as const,
          to: `server${client % plan.servers}`,
          outstanding,
          timeoutNs: plan.timeoutNs,
        },
      })),
      ...besides(plan.beside),
    ],
    nic: { switching: plan.switching },
    link: { reflect: plan.reflect },
  };
  return runScenario({
    scenario: checkScenario(scenario),
    directory: '.',
    captures: new Map(),
    protection: makeProtection(plan.protection),
    discipline: plan.discipline,
    seed: plan.seed,
    durationNs,
  });
}

describe('requests', () => {
  laws.law('each is answered, lost or under way, at whichever client', clients, 8, (plan, substance) => {
    const result = run(plan, 1_000_000);
    const { guests } = result;
    for (const { held, detail, law } of result.laws) expect(held, `${law}: ${detail}`).toBe(true);
    expect(lawOf(result)).toBeDefined();
    const counts = guests.flatMap(({ requests }) => (requests === undefined ? [] : [requests]));
    expect(counts).toHaveLength(plan.outstanding.length);
    for (const [client, { sent, answered, lost }] of counts.entries()) {
      const underWay = sent - answered - lost;
      expect(underWay, `client ${client}`).toBeGreaterThanOrEqual(0);
      expect(underWay, `client ${client}`).toBeLessThanOrEqual(plan.outstanding[client] ?? 0);
      // With room for what comes and a timeout longer than the run none is lost.
      if (plan.receiveSlots > 100 && plan.timeoutNs > 1_000_000 && plan.inboundMbps === 0)
        expect(lost, `client ${client}`).toBe(0);
    }
    if (counts.some(({ answered }) => answered > 0)) substance();
  });

  test.each([1, 2])('two clients get answers from %i servers, and lose none', (servers) => {
    const { guests } = run(
      {
        outstanding: [2, 2],
        servers,
        timeoutNs: 10_000_000,
        discipline: 'drr',
        protection: 'none',
        receiveSlots: 256,
        switching: false,
        reflect: true,
        beside: 'none',
        inboundMbps: 0,
        seed: 1,
      },
      2_000_000,
    );
    for (const { requests } of guests) {
      if (requests === undefined) continue;
      expect(requests.answered).toBeGreaterThan(5);
      expect(requests.lost).toBe(0);
    }
  });
});

/** Does once, at the `at`-th call, what is given instead of the method. */
function onceInstead<Name extends string>(
  target: { readonly prototype: Readonly<Record<Name, (...args: never[]) => unknown>> },
  name: Name,
  instead: unknown,
  at = 20,
): void {
  const original = target.prototype[name];
  let calls = 0;
  vi.spyOn(target.prototype as Record<string, (...args: never[]) => unknown>, name).mockImplementation(
    function (this: unknown, ...args: never[]) {
      calls += 1;
      return calls === at ? instead : original.apply(this, args);
    },
  );
}

/** Places at which one frame of a conversation is lost, and nobody says so. */
const VANISHING: readonly { readonly where: string; readonly far: boolean; readonly vanish: () => void }[] = [
  {
    where: 'in the ring of its driver',
    far: true,
    vanish: () => onceInstead(TransmitRing, 'store', 'stored'),
  },
  {
    where: 'in the card, on its way out',
    far: true,
    vanish: () => onceInstead(Forwarding, 'departed', undefined),
  },
  {
    where: 'at a server of the far end',
    far: true,
    vanish: () => onceInstead(EchoResponder, 'onReceive', undefined),
  },
  { where: 'at a server', far: false, vanish: () => onceInstead(RequestServer, 'onReceive', undefined) },
  { where: 'before the far end sends it', far: true, vanish: () => onceInstead(LinkPartner, 'send', true) },
  {
    where: 'in the card, on its way in',
    far: true,
    vanish: () => onceInstead(FrameFlow, 'deliver', undefined),
  },
  { where: 'at its client', far: true, vanish: () => onceInstead(RequestClient, 'onReceive', undefined) },
];

describe('a request that vanishes breaks the law', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const conversation = (far: boolean, timeoutNs: number): ScenarioInput => ({
    guests: [
      { name: 'server' },
      ...[0, 1, 2].map((client) => ({
        name: `client${client}`,
        traffic: { kind: 'request' as const, outstanding: 2, timeoutNs, ...(far ? {} : { to: 'server' }) },
      })),
    ],
  });

  const options = (protection: string) => ({ protection, durationNs: 1_500_000, warmUpNs: 0 });
  const wholes = new Map<string, Promise<RunResult>>();
  /** The conversation of which nothing vanishes: it is the same whatever would. */
  const wholeOf = (protection: string, far: boolean, timeoutNs: number) => {
    const name = `${protection} ${far} ${timeoutNs}`;
    const run = wholes.get(name) ?? simulate(conversation(far, timeoutNs), options(protection));
    wholes.set(name, run);
    return run;
  };

  const protections = ['none', 'cdna', 'iommu:single-use'].map((protection, turn) => ({ protection, turn }));
  // Each place under each approach; under one of them in the short form.
  describe.each(protections)('under $protection', ({ protection, turn }) => {
    test.each(turnOf(VANISHING, turn))('$where, before its timeout and after', async ({ far, vanish }) => {
      for (const timeoutNs of [100_000, 100_000_000]) {
        vi.restoreAllMocks();
        expect(lawOf(await wholeOf(protection, far, timeoutNs))).toMatchObject({ held: true });
        vanish();
        const law = lawOf(await simulate(conversation(far, timeoutNs), options(protection)));
        expect(law?.held, law?.detail).toBe(false);
        expect(law?.detail).toMatch(/; broken: .*1 are nowhere/u);
      }
    });
  });

  // Its rings hold frames that have left and are not reported yet: one may hide behind them, twenty do not.
  test.each(VANISHING.filter(({ where }) => where.includes('server') || where.includes('client')))(
    'behind a driver domain, $where',
    async ({ far, where }) => {
      const [Target] = [where.includes('client') ? RequestClient : far ? EchoResponder : RequestServer];
      let calls = 0;
      const original = Target.prototype.onReceive;
      vi.spyOn(Target.prototype, 'onReceive').mockImplementation(function (this: never, ...args) {
        calls += 1;
        return calls % 3 === 0 ? undefined : original.apply(this, args);
      });
      const law = lawOf(
        await simulate(conversation(far, 100_000), {
          protection: 'driver-domain',
          durationNs: 5_000_000,
          warmUpNs: 0,
        }),
      );
      expect(law?.held, law?.detail).toBe(false);
    },
  );

  test('and so do an answer that a server has counted and not given, and one that nobody has given', async () => {
    const original = EchoResponder.prototype.onReceive;
    vi.spyOn(EchoResponder.prototype, 'onReceive').mockImplementation(function (
      this: EchoResponder,
      ...args
    ) {
      const answer = original.apply(this, args);
      return this.answered % 5 === 0 ? original.apply(this, args) : answer;
    });
    const options = { durationNs: 1_500_000, warmUpNs: 0 };
    const counted = lawOf(await simulate(conversation(true, 100_000_000), options));
    expect(counted?.detail).toMatch(/broken: client0: \d+ served of \d+ asked/u);
    vi.restoreAllMocks();
    vi.spyOn(EchoResponder.prototype, 'answered', 'get').mockReturnValue(0);
    const unasked = lawOf(await simulate(conversation(true, 100_000_000), options));
    expect(unasked?.detail).toMatch(/answers came of 0 given/u);
  });
});

describe('what a run says of its requests', () => {
  test('is nothing where nobody asks', async () => {
    const result = await simulate({ guests: [{ traffic: { kind: 'greedy' } }] }, { durationNs: 200_000 });
    expect(lawOf(result)).toBeUndefined();
  });

  test('requests that reach nobody, since the far end sends nothing back, are dropped by name', async () => {
    const result = await simulate(
      {
        guests: [
          { name: 'server' },
          { name: 'client', traffic: { kind: 'request', to: 'server', timeoutNs: 100_000 } },
        ],
        link: { reflect: false },
      },
      { durationNs: 2_000_000, warmUpNs: 0 },
    );
    const { requests } = result.guests[1] ?? {};
    expect(requests?.answered).toBe(0);
    expect(requests?.lost).toBeGreaterThan(10);
    expect(result.drops['far-end-not-reflected']).toBeGreaterThanOrEqual(requests?.lost ?? 0);
    expect(lawOf(result)).toMatchObject({ held: true });
  });

  test('requests that a full ring or a server without buffers loses are lost by name', async () => {
    const result = await simulate(
      {
        guests: [
          { name: 'server', receiveSlots: 4, core: 0 },
          {
            name: 'client',
            core: 0,
            transmitSlots: 8,
            traffic: { kind: 'request', to: 'server', outstanding: 64, timeoutNs: 300_000, thinkNs: 0 },
          },
        ],
        host: { cores: 1 },
      },
      { durationNs: 5_000_000, warmUpNs: 0 },
    );
    expect(result.guests[1]?.requests?.lost).toBeGreaterThan(0);
    expect(result.drops['driver-ring-full']).toBeGreaterThan(0);
    expect(lawOf(result)).toMatchObject({ held: true });
  });

  test('memory that is taken back while an unprotected card uses it loses requests by name', async () => {
    const result = await simulate(
      {
        guests: [
          { name: 'server' },
          ...[0, 1].map((client) => ({
            name: `client${client}`,
            traffic: { kind: 'request' as const, to: 'server', outstanding: 8, timeoutNs: 200_000 },
          })),
        ],
        balloon: { pages: 400, startNs: 200_000, everyNs: 2_000, bufferPercent: 100 },
      },
      { protection: 'none', durationNs: 5_000_000, warmUpNs: 0 },
    );
    const { lateReads = 0, lateWrites = 0 } = result.memory.balloon ?? {};
    expect(lateReads + lateWrites).toBeGreaterThan(0);
    expect(lawOf(result)).toMatchObject({ held: true });
  });
});

laws.close();
