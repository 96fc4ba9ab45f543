import { describe, expect, test } from 'vitest';
import { defineExperiment, type FinishedExperiment } from '../../../src/experiments/experiment.js';
import { describeReproduction } from '../../../src/experiments/reproduce-page.js';
import { compareWithStored, type StoredComparison } from '../../../src/experiments/stored-result.js';
import { makeWorkers } from '../../../src/work/workers.js';
import { reproduceReport, storedExperiments } from '../../support/reports.js';

const STORED = new URL('../../../src/experiments/walk-cost/result.json', import.meta.url);

/** A result of the walk-cost experiment is stored; this one is another. */
const counting = defineExperiment({
  name: 'counting',
  question: 'how many are there?',
  takesData: true,
  storedUrl: STORED,
  measure: async ({ seed }) => ({ seed, count: 3 }),
  present: ({ count }) => ({
    answer: `There are ${count}.`,
    parameters: [{ name: 'seed', value: '1' }],
    figures: [],
    notes: [],
  }),
});

function finished(stored: StoredComparison): FinishedExperiment {
  return {
    experiment: counting,
    outcome: {
      text: 'x',
      answer: 'There are 3.',
      parameters: [],
      notes: [],
      result: {},
      figures: [],
      stored,
    },
  };
}

const call = (seed: number, dataPath?: string) => ({
  seed,
  repeat: 'cdna-nic reproduce x',
  repeatOf: (name: string) => `cdna-nic reproduce ${name}`,
  dataPath,
});

describe('what the page says of stored results', () => {
  test.for([
    ['same', 1, 'Nothing differs from the stored results, which are those of seed 1.'],
    ['different', 1, 'Not what the stored results say: counting.'],
    ['not-compared', 2, 'Seed 2: not compared with the stored results, which are those of seed 1.'],
  ] as const)('%s, seed %i', ([stored, seed, sentence]) => {
    expect(describeReproduction([finished(stored)], call(seed)).answer).toEqual(['There are 3.', sentence]);
  });

  test('nothing, where the data are the user’s', () => {
    const page = describeReproduction([finished('not-compared')], call(1, 'mine.csv'));
    expect(page.answer).toEqual(['There are 3.']);
    expect(page.setting).toContain('mine.csv');
  });
});

test('an outcome is what was presented, and says whether it was compared', async () => {
  const threads = makeWorkers(1);
  const request = { dataPath: undefined, threads, progress: () => undefined };
  try {
    expect(await counting.run({ ...request, seed: 1 })).toEqual({
      ...counting.present({ seed: 1, count: 3 }),
      result: { seed: 1, count: 3 },
      stored: 'different',
    });
    expect((await counting.run({ ...request, seed: 2 })).stored).toBe('not-compared');
    expect((await counting.run({ ...request, seed: 1, dataPath: 'mine.csv' })).stored).toBe('not-compared');
  } finally {
    await threads.close();
  }
});

test('a stored result is the same as itself, and not with one number changed', () => {
  for (const { experiment, outcome } of storedExperiments()) {
    expect(compareWithStored(experiment.storedUrl, 1, outcome.result), experiment.name).toBe('same');
    const changed = { ...outcome.result, one: 'more' };
    expect(compareWithStored(experiment.storedUrl, 1, changed)).toBe('different');
    expect(compareWithStored(experiment.storedUrl, 7, changed)).toBe('not-compared');
  }
});

test('every experiment has an answer at the head of the page, and its text behind its figures', () => {
  const page = reproduceReport();
  for (const { experiment, outcome } of storedExperiments()) {
    const { name } = experiment;
    expect(page.answer.filter((text) => text.startsWith(`${name}: `))).toEqual([
      `${name}: ${outcome.answer}`,
    ]);
    expect(outcome.answer.length, name).toBeGreaterThan(40);
    expect(outcome.text.split('\n').length, name).toBeGreaterThan(5);
    const section = page.sections.find(({ id }) => id === `experiment-${name}`);
    expect(section?.more?.text.length).toBeGreaterThan(outcome.text.length);
    expect(section?.figures.length).toBe(outcome.figures.length);
  }
});
