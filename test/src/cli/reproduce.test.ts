import { describe, expect, it } from 'vitest';
import { invoke } from './invoke.js';

describe('cdna-nic reproduce', () => {
  it.each([
    [['reproduce', 'nothing'], 'experiment is "nothing", expected one of: iommu-hardware'],
    [['reproduce', 'iommu-hardware', '--seed', 'x'], '--seed is "x", expected a whole number'],
    [['reproduce', 'iommu-hardware', '--data', '/nowhere.csv'], '/nowhere.csv'],
    [['reproduce', 'all', '--data', 'a.csv'], '--data is "a.csv"'],
  ])('refuses %j with one line', async (args, message) => {
    const { code, out, err } = await invoke(...args);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });
});
