import { APPROACHES } from '../../host/protection/approaches.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { EXPECTATIONS, type Mark } from './expectations.js';
import type { Cell } from './matrix.js';
import { reasonOf } from './reasons.js';

/** A cell that is not as expected, and where it is explained. */
export interface Explanation {
  readonly attack: string;
  readonly approaches: readonly string[];
  /** Heading of docs/threats.md. */
  readonly heading: string;
}

/** Differences between expectation and measurement that are understood. */
export const EXPLANATIONS: readonly Explanation[] = [
  {
    attack: 'jumbo-hog',
    approaches: ['driver-domain'],
    heading: 'A bridge that is round-robin by frames',
  },
  {
    attack: 'own-page-after-unmap',
    approaches: ['iommu:contiguous'],
    heading: 'A range is invalidated when all of it is finished',
  },
  {
    attack: 'broadcast-flood',
    approaches: ['driver-domain'],
    heading: 'A flood that exceeds the capacity of the bridge',
  },
];

/** A cell compared with what was expected of it. */
export interface Comparison {
  readonly attack: string;
  readonly approach: string;
  /** Whether the attack was expected to get through. */
  readonly expected: 'succeeds' | 'fails';
  readonly asExpected: boolean;
  /** Heading of docs/threats.md that explains the difference; undefined when there is none. */
  readonly explainedBy: string | undefined;
  /** Why this attack comes to this verdict on this approach. */
  readonly because: string;
  readonly source: string;
  readonly mark: Mark;
}

/**
 * Why an attack comes to this verdict on this approach, as the table has it; undefined where it says nothing: it speaks of
 * the machine of the matrix, and another machine may end otherwise.
 */
export function reasonIfKnown({ attack, approach, verdict }: Cell): string | undefined {
  const expectation = EXPECTATIONS.find((candidate) => candidate.attack === attack);
  if (expectation === undefined || verdict === 'not-applicable') return undefined;
  const isExpectedToSucceed = expectation.succeedsOn.includes(approach);
  if ((verdict === 'succeeded') !== isExpectedToSucceed) return undefined;
  return reasonOf(expectation.because, verdict, approach);
}

/**
 * Compares a cell with the table; undefined for one that could not be played, and where the table expects nothing: of
 * approaches of the user's own.
 */
export function compareCell({ attack, approach, verdict }: Cell): Comparison | undefined {
  const expectation = EXPECTATIONS.find((candidate) => candidate.attack === attack);
  if (expectation === undefined || verdict === 'not-applicable') return undefined;
  if (!APPROACHES.some(({ name }) => name === approach)) return undefined;
  const expected = expectation.succeedsOn.includes(approach) ? 'succeeds' : 'fails';
  const because = reasonOf(expectation.because, verdict, approach);
  if (because === undefined)
    throw new InvariantViolation(`the table of expectations has no reason for ${attack}: ${verdict}`);
  const asExpected = (verdict === 'succeeded') === (expected === 'succeeds');
  const explanation = EXPLANATIONS.find(
    (candidate) => candidate.attack === attack && candidate.approaches.includes(approach),
  );
  return {
    attack,
    approach,
    expected,
    asExpected,
    explainedBy: asExpected ? undefined : explanation?.heading,
    because,
    source: expectation.source,
    mark: expectation.mark,
  };
}
