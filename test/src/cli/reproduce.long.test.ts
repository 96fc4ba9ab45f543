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

/** An IOTLB of 256 entries and a walk of 300 ns, as single reads would see them. */
const LATENCY_CSV = `iommu,test,cache,window_bytes,size_bytes,avg_ns
off,LAT_DMA_RD,hwarm,4096,64,550
on-4k,LAT_DMA_RD,hwarm,4096,64,550
off,LAT_DMA_RD,hwarm,2097152,64,550
on-4k,LAT_DMA_RD,hwarm,2097152,64,700
off,LAT_DMA_RD,hwarm,4194304,64,550
on-4k,LAT_DMA_RD,hwarm,4194304,64,775
`;

describe('cdna-nic reproduce', () => {
  it('calibrates on a file of the user and prints one JSON document', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'reproduce-'));
    const file = join(folder, 'machine.csv');
    writeFileSync(file, CSV);
    const latencies = join(folder, 'latency.csv');
    writeFileSync(latencies, LATENCY_CSV);
    const { code, out, err } = await invoke(
      'reproduce',
      'iommu-hardware',
      '--data',
      file,
      '--latency',
      latencies,
      '--json',
      '--out',
      join(folder, 'out'),
    );
    expect(err).toBe('');
    expect(code).toBe(0);
    const document = JSON.parse(out);
    expect(document).toMatchObject({ format: 2, command: 'reproduce', experiment: 'iommu-hardware' });
    expect(document.machines).toHaveLength(1);
    const [result] = document.machines;
    expect(result.machine).toBe('m');
    expect(result.points).toHaveLength(8);
    const keys = ['rows', 'medianError', 'p95Error', 'maxError'];
    expect([Object.keys(result.bandwidth), Object.keys(result.latency)]).toEqual([keys, keys]);
    expect([result.bandwidth.rows, result.latency.rows]).toEqual([4, 3]);
    expect([result.parameters.iotlb_entries, result.parameters.unit]).toEqual([256, 'latency']);
    expect(readdirSync(join(folder, 'out'))).toEqual(['iommu-hardware.json', 'reproduce.html']);
    expect(JSON.parse(readFileSync(join(folder, 'out', 'iommu-hardware.json'), 'utf8'))).toEqual(document);
  });
});
