import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { invoke } from './invoke.js';

/** A machine in eight rows: small, so that calibration and emulation are quick. */
const ROWS = [4096, 4_194_304].flatMap((window) =>
  ['read', 'write'].flatMap((op) => [
    `m,off,${op},64,cold,${window},50000000,25.6`,
    `m,on,${op},64,cold,${window},${window === 4096 ? 50_000_000 : 20_000_000},25.6`,
  ]),
);
const CSV = `machine,iommu,op,size_bytes,cache,window_bytes,transactions_per_s,gbit_per_s\n${ROWS.join('\n')}\n`;

describe('cdna-nic reproduce', () => {
  it('calibrates on a file of the user and prints one JSON document', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'reproduce-'));
    const file = join(folder, 'machine.csv');
    writeFileSync(file, CSV);
    const { code, out, err } = await invoke(
      'reproduce',
      'iommu-hardware',
      '--data',
      file,
      '--json',
      '--out',
      join(folder, 'out'),
    );
    expect(err).toBe('');
    expect(code).toBe(0);
    const document = JSON.parse(out);
    expect(document.machine).toBe('m');
    expect(document.points).toHaveLength(8);
    expect(Object.keys(document.summary)).toEqual(['rows', 'medianAbsError', 'p95AbsError', 'maxAbsError']);
    expect(document.summary.rows).toBe(4);
    expect(readdirSync(join(folder, 'out'))).toEqual(['iommu-hardware.json', 'reproduce.html']);
    expect(JSON.parse(readFileSync(join(folder, 'out', 'iommu-hardware.json'), 'utf8'))).toEqual(document);
  });
});
