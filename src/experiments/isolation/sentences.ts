import { plainText, spanText } from '../../report/metrics/spread.js';
import { SILENT_US, WHOLE } from './expected.js';
import { answersLeft, type IsolationCell, type VictimTime } from './measure.js';

/** What the victims keep under each discipline, against the flood. */
export function disciplinesSentence(cells: readonly IsolationCell[], approach: string): string {
  const kept = cells.filter(({ verdict }) => verdict === 'kept');
  const start = `With ${approach}, ${kept.length} of ${cells.length} disciplines promise the victims something against the flood of jumbo frames and keep it`;
  if (kept.length === 0) return `${start}.`;
  return `${start}: the steady one keeps its rate, at a 99th percentile of ${sendUs(kept, 'after')} us where it was ${sendUs(kept, 'before')}. ${answersSentence(kept)}`;
}

/** The same for each approach. */
export function approachesSentence(cells: readonly IsolationCell[], discipline: string): string {
  const kept = cells.filter(({ verdict }) => verdict === 'kept');
  const others = cells.filter(({ verdict }) => verdict !== 'kept').map(({ approach }) => approach);
  return (
    `Under ${discipline}, what is promised holds with ${kept.length} of ${cells.length} approaches` +
    `${others.length === 0 ? '' : `, not with ${others.join(', ')}`}` +
    `${kept.length === 0 ? '.' : `: a 99th percentile of ${sendUs(kept, 'after')} us, with little between the approaches. ${answersSentence(kept)}`}`
  );
}

/** Which hostilities victims notice. */
export function hostilitiesSentence(cells: readonly IsolationCell[]): string {
  const unmoved = cells.filter((cell) => moreUs(cell) <= SILENT_US);
  const moved = cells.filter((cell) => moreUs(cell) > SILENT_US);
  return (
    `The victims' 99th percentiles stay within ${plainText(SILENT_US, 0)} us, a frame's time, of what they were under ${names(unmoved)}; ` +
    `they grow under ${moved.map((cell) => `${cell.hostility} (${grown(cell)})`).join(', ')}.`
  );
}

/** Under which disciplines the neighbour takes what the steady victim sends. */
export function sharesSentence(cells: readonly IsolationCell[]): string {
  const taken = cells.filter(({ after }) => after.steady_served.least < WHOLE);
  return (
    `From the turn on, the steady victim gets less of the wire than it needs under ${taken.map(({ discipline }) => discipline).join(', ')}; ` +
    `under the others it gets ${percent(WHOLE)} of it or more.`
  );
}

function answersSentence(cells: readonly IsolationCell[]): string {
  return `Answers per second are not promised: the one that asks waits longer for each, asks less often, and gets ${span(cells.map(answersLeft))} of those it had.`;
}

function span(shares: readonly number[]): string {
  return `${spanText(shares.map((share) => share * 100))} %`;
}

function sendUs(cells: readonly IsolationCell[], when: 'before' | 'after'): string {
  return spanText(cells.flatMap((cell) => cell[when].steady_p99_us?.mean ?? []));
}

/** How much the worse off of the two waits longer, us; endless where nothing comes any more. */
function moreUs({ before, after }: IsolationCell): number {
  const more = (pick: (time: VictimTime) => number | undefined) =>
    (pick(after) ?? Number.POSITIVE_INFINITY) - (pick(before) ?? 0);
  return Math.max(
    more(({ steady_p99_us }) => steady_p99_us?.mean),
    more(({ asking_p99_us }) => asking_p99_us?.mean),
  );
}

function grown({ after }: IsolationCell): string {
  const us = (value: number | undefined) => (value === undefined ? 'nothing' : plainText(value, 0));
  return `${us(after.steady_p99_us?.mean)} and ${us(after.asking_p99_us?.mean)} us`;
}

function names(cells: readonly IsolationCell[]): string {
  return cells.map(({ hostility }) => hostility).join(', ');
}

/** The answer from all cells, for the head of a report. */
export function isolationAnswer(cells: readonly IsolationCell[]): string {
  const of = (verdict: string) => cells.filter((cell) => cell.verdict === verdict);
  const kept = of('kept');
  return (
    `In ${of('broken').length} of ${cells.length} cells a promise to the victims is broken; in ${of('lost').length} they lose what was not promised to them. ` +
    `Answers per second are not promised: where all that is promised is kept, the victim that asks is left with ${percent(Math.min(...kept.map(answersLeft)))} of them or more.`
  );
}

/** Of a whole, `35 %`. */
export function percent(share: number): string {
  return `${plainText(share * 100, 0)} %`;
}
