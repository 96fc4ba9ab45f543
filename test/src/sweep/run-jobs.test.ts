import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Executor, KeyedJob } from '../../../src/sweep/executor.js';
import { Journal } from '../../../src/sweep/journal.js';
import type { Outcome } from '../../../src/sweep/outcome.js';
import { runJobs } from '../../../src/sweep/run-jobs.js';
import { jobCountOf, jobsOfShard } from '../../../src/sweep/shard.js';
import { runs } from '../../support/whole.js';
import { emptyFolder } from './study-lab.js';

const job = { kind: 'attacks', protection: 'none', iommu: undefined, seed: 1, attacks: [] } as const;
const keyed = (key: string): KeyedJob => ({ key, job });

/** An executor whose jobs finish when, and in the order in which, the test says. */
class HeldExecutor implements Executor {
  readonly atOnce: number;
  readonly held: { readonly key: string; readonly finish: (outcome: Outcome | Error) => void }[] = [];
  most = 0;

  constructor(atOnce: number) {
    this.atOnce = atOnce;
  }

  run({ key }: KeyedJob): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const finish = (outcome: Outcome | Error) =>
        outcome instanceof Error ? reject(outcome) : resolve(outcome);
      this.held.push({ key, finish });
      this.most = Math.max(this.most, this.held.length);
    });
  }

  async close(): Promise<void> {}
}

test('parts of a study contain every job once, and are as many as was asked for', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 1, max: 9 }), (count, of) => {
      const jobs = Array.from({ length: count }, (_, at) => keyed(`${at}`));
      const parts = Array.from({ length: of }, (_, at) => ({ part: at + 1, of }));
      const dealt = parts.map((shard) => [...jobsOfShard(jobs, shard)]);
      expect(dealt.map(({ length }) => length)).toEqual(parts.map((shard) => jobCountOf(shard, count)));
      expect(
        dealt
          .flat()
          .map(({ key }) => key)
          .toSorted(),
      ).toEqual(jobs.map(({ key }) => key).toSorted());
    }),
  );
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

function journalIn(folder: string): Journal {
  return Journal.open(join(folder, 'journal.ndjson'));
}

describe('jobs of a sweep', () => {
  test('are each done once, in any order, and never more of them at once than the executor takes', async () => {
    const folder = emptyFolder();
    let trial = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(20), { maxLength: 40 }),
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.nat(100), { minLength: 1, maxLength: 40 }),
        async (numbers, atOnce, order) => {
          trial += 1;
          const journal = Journal.open(join(folder, `${trial}.ndjson`));
          const executor = new HeldExecutor(atOnce);
          const done = runJobs(
            numbers.map((number) => keyed(`job${number}`)),
            executor,
            journal,
          );
          const finished: string[] = [];
          for (let at = 0; ; at += 1) {
            await turn();
            if (executor.held.length === 0) break;
            const [next] = executor.held.splice((order[at % order.length] ?? 0) % executor.held.length, 1);
            finished.push(next?.key ?? '');
            next?.finish({ attacks: [] });
          }
          const keys = new Set(numbers.map((number) => `job${number}`));
          expect(await done).toEqual({ finished: numbers.length, done: keys.size, failed: 0 });
          expect(executor.most).toBeLessThanOrEqual(atOnce);
          expect(finished).toHaveLength(keys.size);
          expect([...journal.keys()]).toEqual(finished);
          journal.close();
        },
      ),
      { numRuns: runs(60) },
    );
  });

  test('end with the failure of the executor, and what was finished before is kept', async () => {
    const journal = journalIn(emptyFolder());
    const executor = new HeldExecutor(2);
    const done = runJobs(['a', 'b', 'c'].map(keyed), executor, journal);
    await turn();
    executor.held[0]?.finish({ attacks: [] });
    await turn();
    executor.held[1]?.finish(new Error('the threads are gone'));
    await expect(done).rejects.toThrow('the threads are gone');
    expect([...journal.keys()]).toEqual(['a']);
    journal.close();
  });

  test('end when the signal aborts, and outcomes that come later are not written', async () => {
    const journal = journalIn(emptyFolder());
    const executor = new HeldExecutor(2);
    const stop = new AbortController();
    const done = runJobs(['a', 'b', 'c'].map(keyed), executor, journal, undefined, stop.signal);
    await turn();
    stop.abort(new Error('enough'));
    for (const { finish } of executor.held) finish({ attacks: [] });
    await expect(done).rejects.toThrow('enough');
    expect(journal.count).toBe(0);
    journal.close();
  });

  test('that failed for good are not done again; those that may succeed are', async () => {
    const folder = emptyFolder();
    const first = journalIn(folder);
    first.add('never', { error: 'no such scenario' });
    first.add('perhaps', { error: 'out of memory', isFinal: false });
    // Within one sweep it is finished all the same.
    expect([first.has('never'), first.has('perhaps')]).toEqual([true, true]);
    first.close();
    const second = journalIn(folder);
    expect([second.has('never'), second.has('perhaps'), second.count]).toEqual([true, false, 1]);
    expect(second.outcome('perhaps')).toMatchObject({ error: 'out of memory' });
    second.add('perhaps', { attacks: [] });
    second.close();
    const third = journalIn(folder);
    expect([third.has('perhaps'), third.outcome('perhaps')]).toEqual([true, { attacks: [] }]);
    third.close();
  });
});
