import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { simulate } from '../../../src/index.js';
import { RunTrace } from '../../../src/report/run-trace.js';
import { scratchFolder } from './scratch-folder.js';

const scratch = scratchFolder();

/** A checkout of Perfetto's sources, for the schema that it publishes. */
const perfetto = process.env.CDNA_PERFETTO ?? '';
const canRead = perfetto !== '' && spawnSync('protoc', ['--version']).status === 0;
if (!canRead)
  process.stderr.write(
    '\n*** no CDNA_PERFETTO (a checkout of Perfetto) or no protoc: reading a timeline by its own schema is SKIPPED ***\n\n',
  );

/** A timeline in the text form of protobuf, as Perfetto's schema reads it. */
function asText(path: string): string {
  const { status, stdout, stderr } = spawnSync(
    'protoc',
    ['--decode=perfetto.protos.Trace', `--proto_path=${perfetto}`, 'protos/perfetto/trace/trace.proto'],
    { input: readFileSync(path), encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (status !== 0) throw new Error(`protoc: ${stderr}`);
  return stdout;
}

test.skipIf(!canRead)(
  "Perfetto's own schema knows every field of a timeline, and each track that events name",
  async () => {
    const path = scratch.path('run.pftrace');
    let trace: RunTrace | undefined;
    await simulate(
      {
        protection: 'iommu:single-use',
        guests: [{ traffic: { kind: 'greedy' }, receive: { kind: 'poisson', wireRateBps: 2e8 } }],
      },
      {
        durationNs: 1_000_000,
        prepare: (machine) => {
          trace = new RunTrace(path, machine, 1_000_000, { seed: 1 });
        },
      },
    );
    trace?.finish();
    trace?.close();
    const text = asText(path);
    // A field that the schema does not have is printed with its number in the place of a name.
    expect(text.match(/^ *\d+(?::| \{).*$/gmu)).toBeNull();
    const all = (field: string) =>
      [...text.matchAll(new RegExp(`^ *${field}: (\\S+)$`, 'gmu'))].map(([, value]) => value);
    const described = new Set(all('uuid'));
    const named = new Set(all('track_uuid'));
    expect(named.size).toBeGreaterThan(10);
    expect([...named].filter((uuid) => !described.has(uuid))).toEqual([]);
    expect([...all('parent_uuid')].filter((uuid) => !described.has(uuid))).toEqual([]);
    const kinds = all('type');
    const count = (kind: string) => kinds.filter((one) => one === kind).length;
    expect(count('TYPE_SLICE_BEGIN')).toBeGreaterThan(200);
    expect(count('TYPE_SLICE_END')).toBeGreaterThan(200);
    expect(count('TYPE_SLICE_END')).toBeLessThanOrEqual(count('TYPE_SLICE_BEGIN'));
    expect(count('TYPE_INSTANT')).toBeGreaterThan(20);
    expect(count('TYPE_COUNTER')).toBeGreaterThan(20);
    expect(all('flow_ids').length).toBeGreaterThan(20);
  },
);
