import { Child } from '../child.js';
import type { GreedyMachineOptions } from '../greedy-machine.js';
import { median, round } from '../measure.js';
import type { BenchContext, Row, Section } from '../section.js';
import type { StreamsSetUp, StreamsStretch } from '../tasks/streams.js';

/** How much is measured; a stretch is some tens of milliseconds. */
interface Effort {
  readonly pairs: number;
  readonly stretches: number;
  readonly packets: number;
  readonly warmUpPackets: number;
}

const FULL: Effort = { pairs: 3, stretches: 20, packets: 20_000, warmUpPackets: 150_000 };
const QUICK: Effort = { pairs: 1, stretches: 4, packets: 5_000, warmUpPackets: 30_000 };

/**
 * Nobody subscribed: two processes run the same machine, one with the outlets as they are, one in which
 * `GuardedSubject.prototype.observed` is a constant false from before the first function is compiled, so that the compiler drops
 * the question and everything behind it. (The streams by which rooms of the card hear each other never ask, and stay.
 * They are how the card works, not what it costs to be watched.) The processes take turns, a stretch each, and it is the
 * ratio of neighbouring stretches, in processor time, that counts. How a process lies in memory makes some percent of difference by
 * itself: several pairs are started, and beside them pairs of which both have the outlets as they are. What those
 * show is how finely this can be measured; the cost is the difference between the two medians.
 *
 * Somebody subscribed: one process, stretches with and without a subscriber that counts, in turns.
 */
export const streams: Section = {
  name: 'streams',
  title: 'Streams: processor time a packet with the outlets, over that without; cdna, 32 contexts',
  async run(context) {
    const effort = context.quick ? QUICK : FULL;
    const rows: Row[] = [];
    for (const frameBytes of [60, 1514]) {
      const machine = { protection: 'cdna', contexts: 32, frameBytes };
      const control = await nobody(context, machine, 'as they are', effort);
      const without = await nobody(context, machine, 'without', effort);
      const about = { frameBytes, pairs: effort.pairs, eventsPerPacket: 0 };
      rows.push({ subscribers: 'nobody, both as they are', ...about, ...control, costPercent: null });
      const costPercent = round((without.timeRatio / control.timeRatio - 1) * 100);
      rows.push({ subscribers: 'nobody, over without', ...about, ...without, costPercent });
      rows.push(...(await somebody(context, machine, effort)));
    }
    return rows;
  },
};

interface Ratios {
  readonly timeRatio: number;
  readonly leastRatio: number;
  readonly mostRatio: number;
}

/** Times with the outlets as they are, over those of a second process. */
async function nobody(
  { progress }: BenchContext,
  machine: GreedyMachineOptions,
  subjects: StreamsSetUp['subjects'],
  { pairs, stretches, packets, warmUpPackets }: Effort,
): Promise<Ratios> {
  const medians: number[] = [];
  for (let pair = 0; pair < pairs; pair += 1) {
    progress(`streams: ${machine.frameBytes} bytes, nobody, pair ${pair + 1} (${subjects})`);
    const [asTheyAre, other] = [new Child('streams'), new Child('streams')];
    try {
      await asTheyAre.ask({ machine, subjects: 'as they are', warmUpPackets } satisfies StreamsSetUp);
      await other.ask({ machine, subjects, warmUpPackets } satisfies StreamsSetUp);
      const ratios: number[] = [];
      for (let index = 0; index < stretches; index += 1) {
        // Who goes first changes each time: a process that has just been idle finds the caches full of the other's.
        const first = index % 2 === 0 ? asTheyAre : other;
        const second = first === other ? asTheyAre : other;
        const [one, two] = [await stretch(first, packets, []), await stretch(second, packets, [])];
        ratios.push(first === asTheyAre ? one.ns / two.ns : two.ns / one.ns);
      }
      medians.push(median(ratios));
    } finally {
      asTheyAre.close();
      other.close();
    }
  }
  return summary(medians);
}

/** Times with one subscriber on a stream, and on all of them, over times with none. */
async function somebody(
  { progress, quick }: BenchContext,
  machine: GreedyMachineOptions,
  { stretches, packets, warmUpPackets }: Effort,
): Promise<Row[]> {
  const rows: Row[] = [];
  const child = new Child('streams');
  try {
    const names = await child.ask<string[]>({
      machine,
      subjects: 'as they are',
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
      const found = summary(ratios);
      rows.push({
        subscribers,
        frameBytes: machine.frameBytes,
        pairs: 1,
        eventsPerPacket: round(events),
        ...found,
        costPercent: round((found.timeRatio - 1) * 100),
      });
    }
  } finally {
    child.close();
  }
  return rows;
}

function stretch(child: Child, packets: number, subscribe: readonly string[]) {
  return child.ask<{ ns: number; eventsPerPacket: number }>({ packets, subscribe } satisfies StreamsStretch);
}

function summary(ratios: readonly number[]): Ratios {
  return {
    timeRatio: round(median(ratios)),
    leastRatio: round(Math.min(...ratios)),
    mostRatio: round(Math.max(...ratios)),
  };
}
