import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCapture } from '../../guests/capture/index.js';
import { makeProtection } from '../../host/protection/approaches.js';
import type { ContextId } from '../../scheduler/branded.js';
import type { BoundMember, Discipline, Share } from '../../scheduler/discipline.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { Machine } from '../../src/machine/machine.js';
import { RunCapture } from '../../src/report/run-capture.js';
import { checkScenario } from '../../src/scenario/load.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';

/** A frame as the capture of the run has it. */
export interface CapturedPass {
  /** Of the guest that sent it, or that got it. */
  readonly context: ContextId;
  /** As the scheduler counts them: on the wire 24 more than the frame has (IEEE 802.3). */
  readonly bytes: number;
  readonly frameBytes: number;
  /** When its last bit left, or when it was whole in memory, ns. */
  readonly atNs: number;
}

/** A context has become backlogged, or is no longer. */
export interface Turn {
  readonly atNs: number;
  readonly context: ContextId;
  readonly backlogged: boolean;
}

/** A discipline that notes when each context had frames for it: between `activate` and the grant of the last one. */
export class BacklogWatch implements Discipline {
  readonly name: string;
  readonly turns: Turn[] = [];
  readonly weights = new Map<ContextId, number>();
  readonly arrived?: (context: ContextId, bytes: number, nowNs: number) => void;
  readonly nextEligibleNs?: (nowNs: number) => number;
  readonly #inner: Discipline;
  readonly #backlogged = new Set<ContextId>();

  constructor(inner: Discipline) {
    this.#inner = inner;
    this.name = inner.name;
    const { arrived, nextEligibleNs } = inner;
    if (arrived !== undefined) this.arrived = arrived.bind(inner);
    if (nextEligibleNs !== undefined) this.nextEligibleNs = nextEligibleNs.bind(inner);
  }

  join(context: ContextId, share: Share): void {
    this.weights.set(context, share.weight);
    this.#inner.join(context, share);
  }

  leave(context: ContextId, nowNs: number): void {
    this.#inner.leave(context, nowNs);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    if (!this.#backlogged.has(context)) {
      this.#backlogged.add(context);
      this.turns.push({ atNs: nowNs, context, backlogged: true });
    }
    this.#inner.activate(context, headBytes, nowNs);
  }

  select(nowNs: number): ContextId {
    return this.#inner.select(nowNs);
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    if (nextHeadBytes === 0) this.#ends(context, nowNs);
    this.#inner.served(context, bytes, nextHeadBytes, nowNs);
  }

  withdraw(context: ContextId, nowNs: number): void {
    this.#ends(context, nowNs);
    this.#inner.withdraw(context, nowNs);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return this.#inner.relativeFairnessBoundBytes(i, j);
  }

  checkInvariants(): void {
    this.#inner.checkInvariants();
  }

  #ends(context: ContextId, nowNs: number): void {
    if (this.#backlogged.delete(context)) this.turns.push({ atNs: nowNs, context, backlogged: false });
  }
}

/** What a lab runs. */
export interface LabPlan {
  readonly scenario: ScenarioInput;
  readonly protection: string;
  readonly discipline: string | (() => Discipline);
  readonly seed: number;
  readonly durationNs: number;
  /** What disciplines are told of the rate of their link. @defaultValue the rate of the wire */
  readonly linkBps?: number;
  /** Done to the machine before it runs. */
  readonly prepare?: (machine: Machine) => void;
}

/** A run, and what its capture says. */
export interface LabRun {
  readonly machine: Machine;
  readonly transmitted: readonly CapturedPass[];
  readonly received: readonly CapturedPass[];
  readonly transmitWatch: BacklogWatch;
  readonly receiveWatch: BacklogWatch;
}

/** Preamble, start, FCS and gap of a frame, bytes. */
export const WIRE_OVERHEAD_BYTES = 24;

/** Both addresses. */
const KEPT_BYTES = 16;

/** Runs a plan, has the run written as pcapng, and reads that back with the parser of the replay sources. */
export function runLab(plan: LabPlan): LabRun {
  const { scenario, protection, discipline, seed, durationNs, prepare } = plan;
  const checked = checkScenario(scenario);
  const options = {
    linkBps: plan.linkBps ?? checked.nic?.rateBps ?? 1e9,
    ...(checked.quantumBytes === undefined ? {} : { quantumBytes: checked.quantumBytes }),
  };
  const make = () => (typeof discipline === 'string' ? makeDiscipline(discipline, options) : discipline());
  const [transmitWatch, receiveWatch] = [new BacklogWatch(make()), new BacklogWatch(make())];
  const machine = new Machine({
    scenario: checked,
    directory: '.',
    captures: new Map(),
    seed,
    protection: makeProtection(protection),
    transmitDiscipline: transmitWatch,
    receiveDiscipline: receiveWatch,
  });
  const folder = mkdtempSync(join(tmpdir(), 'nic-fairness-'));
  try {
    const path = join(folder, 'run.pcapng');
    const capture = new RunCapture(path, machine, KEPT_BYTES);
    prepare?.(machine);
    machine.run(durationNs);
    capture.finish();
    capture.close();
    const transmitted: CapturedPass[] = [];
    const received: CapturedPass[] = [];
    const contextOf = new Map(machine.guests.map(({ mac, port }) => [mac, port.context]));
    for (const { timeNs, bytes, originalLength } of readCapture(path).frames) {
      const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      const [to, from] = [contextOf.get(frame.readUIntBE(0, 6)), contextOf.get(frame.readUIntBE(6, 6))];
      const pass = { bytes: originalLength, frameBytes: originalLength, atNs: Number(timeNs) };
      if (from !== undefined)
        transmitted.push({ context: from, ...pass, bytes: originalLength + WIRE_OVERHEAD_BYTES });
      if (to !== undefined) received.push({ context: to, ...pass });
    }
    return { machine, transmitted, received, transmitWatch, receiveWatch };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Largest gap of one pair of contexts, bytes per unit of weight. */
export interface PairGap {
  readonly i: number;
  readonly j: number;
  readonly gapBytes: number;
}

/**
 * For each pair the largest |S_i/w_i - S_j/w_j| over every interval of captured time during which both were backlogged
 * throughout; S counts what the capture has at an instant in the interval, its beginning left out.
 */
export function pairGaps(
  passes: readonly CapturedPass[],
  watch: { readonly turns: readonly Turn[]; readonly weights: ReadonlyMap<ContextId, number> },
): PairGap[] {
  const contexts = Math.max(0, ...watch.weights.keys()) + 1;
  const backlogged = new Uint8Array(contexts);
  const pairs = contexts * contexts;
  const [difference, low, high, gap] = [0, 0, 0, 0].map(() => new Float64Array(pairs)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const pairOf = (i: number, j: number) => Math.min(i, j) * contexts + Math.max(i, j);
  let turn = 0;
  const turnUntil = (atNs: number) => {
    for (let next = watch.turns[turn]; next !== undefined && next.atNs < atNs; next = watch.turns[turn]) {
      turn += 1;
      backlogged[next.context] = next.backlogged ? 1 : 0;
      if (!next.backlogged) continue;
      for (let other = 0; other < contexts; other += 1) {
        const pair = pairOf(next.context, other);
        difference[pair] = 0;
        low[pair] = 0;
        high[pair] = 0;
      }
    }
  };
  for (const { context, bytes, atNs } of passes) {
    turnUntil(atNs);
    if (backlogged[context] !== 1) continue;
    const step = bytes / (watch.weights.get(context) ?? 1);
    for (let other = 0; other < contexts; other += 1) {
      if (other === context || backlogged[other] !== 1) continue;
      const pair = pairOf(context, other);
      const value = (difference[pair] ?? 0) + (context < other ? step : -step);
      difference[pair] = value;
      low[pair] = Math.min(low[pair] ?? 0, value);
      high[pair] = Math.max(high[pair] ?? 0, value);
      gap[pair] = Math.max(gap[pair] ?? 0, (high[pair] ?? 0) - (low[pair] ?? 0));
    }
  }
  const found: PairGap[] = [];
  for (let i = 0; i < contexts; i += 1) {
    for (let j = i + 1; j < contexts; j += 1) {
      const gapBytes = gap[i * contexts + j] ?? 0;
      if (gapBytes > 0) found.push({ i, j, gapBytes });
    }
  }
  return found;
}
