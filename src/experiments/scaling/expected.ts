import { WIRE_OVERHEAD_BYTES } from '../../../nic/descriptor.js';
import { DEFAULT_NIC } from '../../../nic/parameters.js';
import { present } from '../../../scheduler/present.js';
import type { Spread } from '../../report/metrics/spread.js';
import type { ComparedFigure, ReferenceFigure } from '../published.js';
import { rounded } from '../rounded.js';
import type { CheckedStatement } from '../statements.js';
import { FRAME_BYTES, FRAME_NS, LINE_BPS, RING_SLOTS } from './machine.js';
import type { ScalingPoint } from './measure.js';

/** With so many, each has a fixed turn, and how long a frame waits is arithmetic. */
export const CROWD = 1024;
/** Jain's index from which shares are called equal, and goodput from which the wire is called full. */
const EQUAL = 0.99;
export const FULL = 0.99;
/** Within this of each other waits are called the same. */
const SAME = 0.1;

const arithmetic = (name: string, value: number, unit: string, source: string): ReferenceFigure => ({
  name: `none, ${CROWD.toLocaleString('en')} guests: ${name}`,
  value: Number(value.toPrecision(4)),
  unit,
  source,
  certainty: 'D',
});

/** Results with 1,024 contexts of such a card are not published: what there is to compare with follows from its own numbers. */
export const EXPECTED = {
  goodput: arithmetic(
    'goodput',
    (LINE_BPS * FRAME_BYTES) / (FRAME_BYTES + WIRE_OVERHEAD_BYTES) / 1e9,
    'Gb/s',
    `${FRAME_BYTES} of ${FRAME_BYTES + WIRE_OVERHEAD_BYTES} bytes on the wire`,
  ),
  wait: arithmetic(
    'median wait',
    (CROWD * RING_SLOTS * FRAME_NS) / 1e6,
    'ms',
    'as many frames as all rings hold (Little 1961)',
  ),
  interrupts: arithmetic(
    'physical interrupts',
    1e6 / DEFAULT_NIC.interruptGapNs,
    '1000/s',
    'one each least gap between two',
  ),
} as const;

/** The figures that follow from arithmetic, beside ours. */
export function scalingFigures(points: readonly ScalingPoint[]): ComparedFigure[] {
  const crowd = points.find(({ approach, guests }) => approach === 'none' && guests === CROWD)?.greedy;
  if (crowd === undefined) return [];
  return [
    compared(EXPECTED.goodput, crowd.goodput_gbps, 1),
    compared(EXPECTED.wait, crowd.wait_p50_us, 1000),
    compared(EXPECTED.interrupts, crowd.physical_interrupts_per_s, 1000),
  ];
}

function compared(figure: ReferenceFigure, { mean, least, most }: Spread, unit: number): ComparedFigure {
  return {
    ...figure,
    ours: rounded(mean / unit),
    ours_range: [rounded(least / unit), rounded(most / unit)],
    error: rounded(mean / unit / figure.value - 1),
    role: 'predicted',
  };
}

/** What the design promises, compared with every point. */
export function scalingStatements(points: readonly ScalingPoint[]): CheckedStatement[] {
  const check = (
    statement: string,
    source: string,
    test: string,
    applies: (point: ScalingPoint) => boolean,
    holds: (point: ScalingPoint) => boolean,
  ): CheckedStatement => {
    const looked = points.filter(applies);
    const broken = looked.filter((point) => !holds(point));
    const names = broken.map(({ approach, guests }) => `${approach} with ${guests}`);
    return {
      statement,
      source,
      certainty: 'D',
      test,
      holds: broken.length === 0,
      ours: `${looked.length - broken.length} of ${looked.length} points${names.length === 0 ? '' : `; not ${names.join(', ')}`}`,
    };
  };
  /** Median wait to send with the fewest guests of an approach, us. */
  const alone = (approach: string) => {
    const fewest = present(points.find((point) => point.approach === approach && point.quiet !== undefined));
    return { guests: fewest.guests, us: present(fewest.quiet).send_p50_us.mean };
  };
  return [
    check(
      'Every guest of a card with enough contexts gets a port.',
      'register contexts, docs/datasheet.md',
      'the machine can be put together',
      () => true,
      ({ impossible }) => impossible === undefined,
    ),
    check(
      'Contexts drift apart by quantum + L - 1 + L - 1 bytes at most.',
      'Shreedhar and Varghese 1995',
      'largest gap between any two of the first 64 contexts, warm-up included, against the bound',
      ({ greedy }) => greedy?.gap_bytes !== undefined,
      ({ greedy }) => present(greedy?.gap_bytes).most <= present(greedy?.gap_bound_bytes).least,
    ),
    check(
      'Equal guests get equal shares.',
      'weights of 1',
      `Jain's index of ${EQUAL} or more with each seed`,
      ({ greedy }) => greedy !== undefined,
      ({ greedy }) => present(greedy).jain_index.least >= EQUAL,
    ),
    check(
      'Four guests and more fill the wire.',
      'a card that shares nothing but the wire',
      `${FULL * 100} % of the wire's goodput`,
      ({ greedy, guests }) => greedy !== undefined && guests >= 4,
      ({ greedy }) => present(greedy).goodput_gbps.mean >= FULL * EXPECTED.goodput.value,
    ),
    check(
      'What a frame waits for on a card that is not busy does not depend on how many guests there are.',
      'a context each',
      `median of the wait to send is within ${SAME * 100} % of that with the fewest guests of the approach, with a tenth of the wire used`,
      ({ approach, guests, quiet }) => quiet !== undefined && guests > alone(approach).guests,
      ({ approach, quiet }) => Math.abs(present(quiet).send_p50_us.mean / alone(approach).us - 1) <= SAME,
    ),
  ];
}
