import { writeFileSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { IovaAllocator } from '../../../host/protection/iommu/iova-allocator.js';
import { Run } from '../../../src/machine/run.js';
import { invoke } from '../cli/invoke.js';
import { scratchFolder } from '../report/scratch-folder.js';

const scratch = scratchFolder();

afterEach(() => {
  vi.restoreAllMocks();
});

// A unit with few address bits has none left when its first buffers are mapped, or when many more are.
test.each([
  { where: 'before the first step', ranges: 0, hasRun: false },
  { where: 'in the middle of a run', ranges: 700, hasRun: true },
])('what a part refuses $where is told with the file of the scenario', async ({ ranges, hasRun }) => {
  const path = scratch.path('scenario.json');
  const guests = [1, 2].map((weight) => ({ weight, traffic: { kind: 'greedy' } }));
  writeFileSync(path, JSON.stringify({ guests, durationNs: 10_000_000 }));
  const allocate = IovaAllocator.prototype.allocate;
  let given = 0;
  vi.spyOn(IovaAllocator.prototype, 'allocate').mockImplementation(function (this: IovaAllocator, ...args) {
    given += 1;
    return given > ranges ? (-1 as ReturnType<typeof allocate>) : allocate.apply(this, args);
  });
  const advance = vi.spyOn(Run.prototype, 'advance');
  const { code, err } = await invoke('run', path, '--protection', 'iommu:single-use');
  expect(err).toMatch(/: iommu\.capabilities give addresses of \d+ bits, expected more: \d+ pages in a row/u);
  expect(err.startsWith(`${path}: iommu.`)).toBe(true);
  expect(err.trimEnd().split('\n')).toHaveLength(1);
  expect(code).toBe(2);
  expect(advance.mock.calls.length > 0).toBe(hasRun);
});
