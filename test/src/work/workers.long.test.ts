import { afterEach, expect, test } from 'vitest';
import { makeWorkers, type Workers } from '../../../src/work/workers.js';

const pools: Workers[] = [];

function threads(count: number): Workers {
  const pool = makeWorkers(count);
  pools.push(pool);
  return pool;
}

afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});

/** Machines that take unequal time, so that two threads do not end them in the order of the tasks. */
const MACHINES = [
  { approach: 'iommu:single-use', guests: 4, seed: 3 },
  { approach: 'none', guests: 1, seed: 3 },
  { approach: 'dev', guests: 256, seed: 3 },
  { approach: 'cdna', guests: 1, seed: 5 },
];

test('one thread and two give the same bytes, in the order of the tasks', async () => {
  const told: number[] = [];
  const one = await threads(1).each('scaling/machine', MACHINES);
  const two = await threads(2).each('scaling/machine', MACHINES, (finished) => told.push(finished));
  expect(JSON.stringify(two)).toBe(JSON.stringify(one));
  // Each is that of its own task.
  expect(two.map((sample) => 'impossible' in sample)).toEqual([false, false, true, false]);
  expect(new Set(two.map((sample) => JSON.stringify(sample))).size).toBe(MACHINES.length);
  expect(told).toEqual([1, 2, 3, 4]);
});

test('an error in a task comes out with its message, and the threads go on', async () => {
  const pool = threads(2);
  const machine = { approach: 'none', guests: 1, seed: 1 };
  await expect(pool.each('scaling/machine', [machine, { ...machine, approach: 'armour' }])).rejects.toThrow(
    'protection is "armour", expected one of: none, dev,',
  );
  await expect(pool.run('scaling/machine', machine)).resolves.toHaveProperty('greedy');
});

test('ends at once, whatever its threads are doing', async () => {
  const pool = threads(2);
  const long = { approach: 'iommu:single-use', guests: 1024, seed: 1 };
  const outcome = pool.each('scaling/machine', [long, long]).then(
    () => 'done',
    () => 'ended',
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  await pool.close();
  expect(await outcome).toBe('ended');
});
