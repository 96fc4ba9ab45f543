import { describe, expect, it } from 'vitest';
import { invoke } from './invoke.js';

describe('cdna-nic reproduce', () => {
  it.each([
    [['reproduce', 'nothing'], 'experiment is "nothing", expected one of: iommu-hardware'],
    [['reproduce', 'iommu-hardware', '--seed', 'x'], '--seed is "x", expected a whole number'],
    [['reproduce', 'iommu-hardware', '--data', '/nowhere.csv'], '--latency is missing'],
    [
      ['reproduce', 'iommu-hardware', '--data', '/nowhere.csv', '--latency', '/no.csv'],
      'data is /nowhere.csv',
    ],
    [['reproduce', 'iommu-hardware', '--pages', '4k'], '--data is missing'],
    [
      ['reproduce', 'iommu-hardware', '--data', 'a', '--latency', 'b', '--pages', '2m'],
      '--pages is "2m", expected one of: 4k, super',
    ],
    [['reproduce', 'all', '--data', 'a.csv'], '--data is "a.csv"'],
  ])('refuses %j with one line', async (args, message) => {
    const { code, out, err } = await invoke(...args);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });
});
