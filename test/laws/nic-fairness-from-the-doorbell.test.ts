import { describe, expect, test } from 'vitest';
import { type ContextId, contextId } from '../../scheduler/branded.js';
import type { BoundMember } from '../../scheduler/discipline.js';
import { DeficitRoundRobin, PacketRoundRobin } from '../../scheduler/disciplines/index.js';
import type { Machine } from '../../src/machine/machine.js';
import { BoundMutant } from '../scheduler/laws/number-mutants.js';
import { LawBook } from './law-book.js';
import { type LabPlan, type LabRun, type PairGap, pairGaps, runLab, type Turn } from './nic-fairness-lab.js';
import {
  contests,
  type FairnessTrial,
  onWire,
  padded,
  transmitAddition,
  transmitPlan,
} from './nic-fairness-plans.js';

const laws = new LawBook('fairness from the doorbell on');

/** Mailbox of the transmit producer index: the first of a context's page (docs/datasheet.md). */
const TX_PRODUCER = 0;

/**
 * When each context has posted frames that no grant has taken: from the doorbell to the last take. Both are indices that
 * run modulo 2^32; that the card has not read the doorbell yet does not matter.
 */
class DoorbellWatch {
  readonly #turns: Turn[] = [];
  readonly #machine: Machine;
  /** Of each context that has posted more than was taken: the producer index of its last doorbell. */
  readonly #posted = new Map<ContextId, number>();
  readonly #lastGrantNs = new Map<ContextId, number>();

  constructor(machine: Machine) {
    this.#machine = machine;
    const { nic } = machine.host;
    nic.streams.doorbells$.subscribe(({ context, mailbox, value, atNs }) => {
      if (mailbox !== TX_PRODUCER) return;
      this.#look(context);
      if (!this.#posted.has(context)) this.#turns.push({ atNs, context, backlogged: true });
      this.#posted.set(context, value);
    });
    nic.grants$.subscribe(({ context, atNs }) => this.#lastGrantNs.set(context, atNs));
  }

  /** All of them, in order. */
  finish(): Turn[] {
    for (const context of [...this.#posted.keys()]) this.#look(context);
    return this.#turns.sort((left, right) => left.atNs - right.atNs);
  }

  /** If everything has been taken that the last doorbell posted, the backlog ended with the last grant. */
  #look(context: ContextId): void {
    const producer = this.#posted.get(context);
    const taken = this.#machine.host.nic.contexts[context]?.transmit.taken ?? 0;
    if (producer === undefined || (producer - taken) >>> 0 > 0) return;
    this.#posted.delete(context);
    this.#turns.push({ atNs: this.#lastGrantNs.get(context) ?? 0, context, backlogged: false });
  }
}

/** No fetch of the cards below takes longer from the doorbell to the discipline: reads of descriptors queue behind those of frames. */
const LONGEST_FETCH_NS = 20_000;

/** A run, and the pairs of its contexts that had posted frames at the same time. */
interface Posted {
  readonly run: LabRun;
  readonly turns: readonly Turn[];
  readonly gaps: readonly PairGap[];
  /** Longest time from a doorbell to the moment at which the discipline knew of it, ns. */
  readonly fetchNs: number;
}

function runFromDoorbell(plan: LabPlan): Posted {
  let watch: DoorbellWatch | undefined;
  const run = runLab({
    ...plan,
    prepare: (machine) => {
      watch = new DoorbellWatch(machine);
    },
  });
  const turns = watch?.finish() ?? [];
  const { weights, turns: known } = run.transmitWatch;
  let fetchNs = 0;
  for (const { context, atNs, backlogged } of turns) {
    const active = known.find((turn) => turn.context === context && turn.backlogged && turn.atNs >= atNs);
    if (backlogged && active !== undefined) fetchNs = Math.max(fetchNs, active.atNs - atNs);
  }
  return { run, turns, gaps: pairGaps(run.transmitted, { turns, weights }), fetchNs };
}

/**
 * B_ij, the credit of the FIFO, and the prefetch: what the wire carries while the first descriptors of a context are fetched
 * may all be of the other, r T / min(w_i, w_j).
 */
function allowed(contest: FairnessTrial, { run, fetchNs }: Posted, { i, j }: PairGap): number {
  const member = (context: number): BoundMember => ({
    weight: run.transmitWatch.weights.get(contextId(context)) ?? 1,
    maxFrameBytes: onWire(contest.senders[context]?.frameBytes ?? 60),
  });
  const [one, other] = [member(i), member(j)];
  const smallest = Math.min(...contest.senders.map(({ frameBytes }) => padded(frameBytes)));
  const prefetch = (WIRE_BPS * fetchNs) / 8e9 / Math.min(one.weight, other.weight);
  const fifo = transmitAddition(contest.creditBytes, smallest, one.weight, other.weight);
  return run.transmitWatch.relativeFairnessBoundBytes(one, other) + fifo + prefetch;
}

const WIRE_BPS = 1e9;

describe('a context counts from its doorbell to the last take', () => {
  laws.law('2 to 12 contexts keep bound, credit and prefetch', contests(2, 12), 12, (contest, substance) => {
    const posted = runFromDoorbell(transmitPlan(contest, 2_000_000));
    expect(posted.fetchNs).toBeLessThan(LONGEST_FETCH_NS);
    for (const pair of posted.gaps)
      expect(pair.gapBytes, `contexts ${pair.i} and ${pair.j}`).toBeLessThanOrEqual(
        allowed(contest, posted, pair),
      );
    if (posted.gaps.length > 0 && posted.run.transmitted.length > 20) substance();
  });

  laws.law(
    'over a long window each has the share of a fluid link, up to what a pair may differ by',
    contests(2, 8).map((contest) => ({
      ...contest,
      // Rings of 128 slots with frames of this size do not run dry.
      senders: contest.senders.map((sender) => ({
        ...sender,
        frameBytes: Math.max(600, sender.frameBytes),
        bursts: false,
      })),
    })),
    10,
    (contest, substance) => {
      const posted = runFromDoorbell(transmitPlan(contest, 6_000_000));
      // From the instant at which the last one has rung its doorbell.
      const fromNs = Math.max(...posted.turns.filter(({ backlogged }) => backlogged).map(({ atNs }) => atNs));
      const isAlways = posted.turns.length === contest.senders.length;
      const passes = posted.run.transmitted.filter(({ atNs }) => atNs > fromNs);
      const served = contest.senders.map((_, context) =>
        passes.filter((pass) => pass.context === context).reduce((sum, { bytes }) => sum + bytes, 0),
      );
      const total = served.reduce((sum, bytes) => sum + bytes, 0);
      const weights = contest.senders.reduce((sum, { weight }) => sum + weight, 0);
      const widest = Math.max(...posted.gaps.map((pair) => allowed(contest, posted, pair)));
      for (const [context, { weight }] of contest.senders.entries()) {
        const due = (total * weight) / weights;
        const off = Math.abs((served[context] ?? 0) - due);
        if (isAlways) expect(off, `context ${context}`).toBeLessThanOrEqual(weight * widest);
      }
      if (isAlways && total > 500_000) substance();
    },
  );

  test('rounds of frames that state the bound of deficit round robin break it', () => {
    const contest: FairnessTrial = {
      senders: [
        { weight: 1, frameBytes: 60, bursts: false, startNs: 0 },
        { weight: 1, frameBytes: 1514, bursts: false, startNs: 0 },
      ],
      quantumBytes: 1514,
      creditBytes: 9018,
      discipline: 'drr',
      protection: 'none',
      seed: 1,
    };
    const plan = transmitPlan(contest, 4_000_000);
    const takenOf = (discipline: LabPlan['discipline']) => {
      const posted = runFromDoorbell({ ...plan, discipline });
      const [pair] = posted.gaps;
      if (pair === undefined) throw new Error('both contexts post');
      return pair.gapBytes / allowed(contest, posted, pair);
    };
    const drr = new DeficitRoundRobin();
    expect(takenOf('drr')).toBeLessThanOrEqual(1);
    const rounds = () =>
      new BoundMutant(new PacketRoundRobin(), 'bound of drr', (i, j) => drr.relativeFairnessBoundBytes(i, j));
    expect(takenOf(rounds)).toBeGreaterThan(3);
  });
});

laws.close();
