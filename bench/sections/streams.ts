import { estimate } from '../../src/sweep/statistics.js';
import { Child } from '../child.js';
import type { GreedyMachineOptions } from '../greedy-machine.js';
import { median, round } from '../measure.js';
import type { BenchContext, Row, Section } from '../section.js';
import type { StreamsAnswer, StreamsSetUp, StreamsStretch } from '../tasks/streams.js';

/** How much is measured; a stretch is some tens of milliseconds. */
interface Effort {
  /** Pairs of processes of which one has no emission. */
  readonly pairs: number;
  /** Pairs of equal processes. */
  readonly equalPairs: number;
  readonly stretches: number;
  readonly packets: number;
  readonly warmUpPackets: number;
}

const FULL: Effort = { pairs: 40, equalPairs: 8, stretches: 24, packets: 20_000, warmUpPackets: 150_000 };
const QUICK: Effort = { pairs: 2, equalPairs: 2, stretches: 4, packets: 5_000, warmUpPackets: 30_000 };

/** Rows that the aim is judged by. */
export const UNOBSERVED = 'none, over no emission';

/**
 * No subscriber: two processes run the same machine from the same files, one as it is, one without emission (see
 * `StreamsSetUp`). They run alternately, one stretch each, in processor time, and the median of the ratios of neighbouring stretches
 * is the pair's one figure: the layout of code and heap of a process alone makes a difference of some percent,
 * and is the same for all stretches of a process. So the pairs are the sample, and the interval is Student's over
 * them. Pairs of equal processes are measured beside them: their interval should contain 0, and shows how finely this can
 * be measured.
 *
 * With subscribers: one process, stretches with a subscriber that counts between stretches without.
 */
export const streams: Section = {
  name: 'streams',
  title: 'Streams: processor time per packet, as the machine is over without emission; cdna, 32 contexts',
  async run(context) {
    const effort = context.quick ? QUICK : FULL;
    const rows: Row[] = [];
    for (const frameBytes of [60, 1514]) {
      const machine = { protection: 'cdna', contexts: 32, frameBytes };
      const { pairs, equalPairs } = effort;
      const equal = await unobserved(context, machine, 'as it is', equalPairs, effort);
      rows.push({ subscribers: 'none, equal processes', frameBytes, ...equal });
      const without = await unobserved(context, machine, 'removed', pairs, effort);
      rows.push({ subscribers: UNOBSERVED, frameBytes, ...without });
      rows.push(...(await observed(context, machine, effort)));
    }
    return rows;
  },
};

/** Time of the machine as it is, over that of a second process. */
async function unobserved(
  { progress }: BenchContext,
  machine: GreedyMachineOptions,
  emission: StreamsSetUp['emission'],
  pairs: number,
  effort: Effort,
): Promise<Row> {
  const ratios: number[] = [];
  for (let pair = 0; pair < pairs; pair += 1) {
    progress(
      `streams: ${machine.frameBytes} bytes, no subscriber, emission ${emission}, pair ${pair + 1} of ${pairs}`,
    );
    ratios.push(await pairRatio(machine, emission, pair % 2 === 0, effort));
  }
  return { pairs, eventsPerPacket: 0, ...summary(ratios) };
}

/** @param startsAsItIs which of the two processes is started and measured first */
async function pairRatio(
  machine: GreedyMachineOptions,
  emission: StreamsSetUp['emission'],
  startsAsItIs: boolean,
  { stretches, packets, warmUpPackets }: Effort,
): Promise<number> {
  const [asItIs, other] = [new Child('streams'), new Child('streams')];
  try {
    const start = (child: Child, what: StreamsSetUp['emission']) =>
      child.ask({ machine, emission: what, warmUpPackets } satisfies StreamsSetUp);
    if (startsAsItIs) await start(asItIs, 'as it is');
    await start(other, emission);
    if (!startsAsItIs) await start(asItIs, 'as it is');
    const ratios: number[] = [];
    for (let index = 0; index < stretches; index += 1) {
      // Which goes first changes each time: a process that has just been idle finds the caches full of the other's.
      const isFirst = (index % 2 === 0) === startsAsItIs;
      const [first, second] = isFirst ? [asItIs, other] : [other, asItIs];
      const [one, two] = [await stretch(first, packets, []), await stretch(second, packets, [])];
      // The same machine on both sides, or the ratio means nothing.
      if (one.virtualNs !== two.virtualNs || one.executed !== two.executed)
        throw new Error('streams: the machine without emission does not do what the machine does');
      ratios.push(isFirst ? one.ns / two.ns : two.ns / one.ns);
    }
    return median(ratios);
  } finally {
    asItIs.close();
    other.close();
  }
}

/** Time with one subscriber on a stream, and on all of them, over time with none. */
async function observed(
  { progress, quick }: BenchContext,
  machine: GreedyMachineOptions,
  { stretches, packets, warmUpPackets }: Effort,
): Promise<Row[]> {
  const rows: Row[] = [];
  const child = new Child('streams');
  try {
    const names = await child.ask<string[]>({
      machine,
      emission: 'as it is',
      warmUpPackets,
    } satisfies StreamsSetUp);
    const plans = names.map((name) => ({ subscribers: `one on ${name}`, subscribe: [name] }));
    plans.push({ subscribers: 'one on each', subscribe: names });
    for (const { subscribers, subscribe } of quick ? plans.slice(-1) : plans) {
      progress(`streams: ${machine.frameBytes} bytes, ${subscribers}`);
      const ratios: number[] = [];
      let events = 0;
      for (let index = 0; index < stretches / 2; index += 1) {
        const before = await stretch(child, packets, []);
        const { ns, eventsPerPacket } = await stretch(child, packets, subscribe);
        const after = await stretch(child, packets, []);
        ratios.push((2 * ns) / (before.ns + after.ns));
        events = eventsPerPacket;
      }
      const { frameBytes } = machine;
      rows.push({ subscribers, frameBytes, pairs: null, eventsPerPacket: round(events), ...summary(ratios) });
    }
  } finally {
    child.close();
  }
  return rows;
}

function stretch(child: Child, packets: number, subscribe: readonly string[]): Promise<StreamsAnswer> {
  return child.ask<StreamsAnswer>({ packets, subscribe } satisfies StreamsStretch);
}

/** The ratios' range, and their geometric mean less 1 with its 95 % interval, percent. */
function summary(ratios: readonly number[]): Row {
  const { mean, halfWidth } = estimate(ratios.map(Math.log));
  const percent = (log: number) => Number((Math.expm1(log) * 100).toFixed(2));
  return {
    timeRatio: round(Math.exp(mean)),
    leastRatio: round(Math.min(...ratios)),
    mostRatio: round(Math.max(...ratios)),
    costPercent: percent(mean),
    lowPercent: halfWidth === undefined ? null : percent(mean - halfWidth),
    highPercent: halfWidth === undefined ? null : percent(mean + halfWidth),
  };
}
