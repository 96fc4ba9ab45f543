import { describe, expect, it } from 'vitest';
import { checkDiscipline } from '../../../scheduler/laws/index.js';
import { runs } from '../../support/whole.js';
import { lawBrokenBy } from './law-broken-by.js';
import { type ClockFlaw, MutantRoundRobin, MutantStartTime, type RoundFlaw } from './mutants.js';

const RUNS = runs(200);
const sharing = ['shares follow weights', 'an idle context gains nothing', 'no context starves'];

describe('a flawed round robin is caught', () => {
  it('and a flawless one of the same make is not', () => {
    const { gapChecks } = checkDiscipline(() => new MutantRoundRobin('none'), {
      longRunFrames: 0,
      numRuns: RUNS,
    });
    expect(gapChecks).toBeGreaterThan(5 * RUNS);
  });

  const flaws: [RoundFlaw, string[]][] = [
    ['deficit kept while idle', sharing],
    ['weight in eight bits', sharing],
    ['wrap-around skips the first context', sharing],
    ['a second doorbell is a second place', ['needless calls change nothing', ...sharing]],
    ['asking grants a quantum', ['needless calls change nothing', ...sharing]],
    ['frames counted as equal', sharing],
  ];
  it.each(flaws)('%s', (flaw, laws) => {
    expect(laws).toContain(
      lawBrokenBy(() => checkDiscipline(() => new MutantRoundRobin(flaw), { minimise: false })),
    );
  });
});

describe('a flawed virtual clock is caught', () => {
  it('and a flawless one of the same make is not', () => {
    const { gapChecks } = checkDiscipline(() => new MutantStartTime('none'), {
      longRunFrames: 0,
      numRuns: RUNS,
    });
    expect(gapChecks).toBeGreaterThan(5 * RUNS);
  });

  const flaws: [ClockFlaw, string[]][] = [
    ['idling earns credit', sharing],
    ['idling costs what it would have sent', sharing],
    ['inverse weight cut to 8 bits', sharing],
    ['clock of the slowest', sharing],
  ];
  it.each(flaws)('%s', (flaw, laws) => {
    expect(laws).toContain(
      lawBrokenBy(() => checkDiscipline(() => new MutantStartTime(flaw), { minimise: false })),
    );
  });
});
