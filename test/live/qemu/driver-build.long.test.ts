import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const packages = process.env.CDNA_GUESTS ?? join(REPOSITORY, '.cache/guests');
const folder = mkdtempSync(join(tmpdir(), 'cdna-driver-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Kernels of Debian 13 and 12. */
const KERNELS = [
  ['trixie', '6.12'],
  ['bookworm', '6.1'],
] as const;

describe.each(KERNELS)('guests/linux against the headers of %s', (suite, version) => {
  for (const variables of [[], ['CDNA_ATTACK=1']])
    it(`builds without a warning for ${version}, ${variables[0] ?? 'as it is used'}`, {
      timeout: 300_000,
    }, (context) => {
      const module = join(folder, `${suite}${variables.length}.ko`);
      const arguments_ = ['test/live/build-driver.sh', packages, suite, module, 'W=1', ...variables];
      const { status, stderr } = spawnSync('bash', arguments_, { cwd: REPOSITORY, encoding: 'utf8' });
      if (status === 75) {
        process.stderr.write(`\nSKIPPED: the driver was not built: ${stderr.trim()}\n`);
        context.skip();
        return;
      }
      expect([status, stderr.replaceAll(/^Skipping BTF generation.*$/gmu, '').trim()]).toEqual([0, '']);
      const bytes = readFileSync(module).toString('latin1');
      expect(bytes).toContain('license=Dual MIT/GPL');
      expect(bytes).toMatch(new RegExp(`vermagic=${version.replace('.', '\\.')}\\.`, 'u'));
      expect(bytes.includes('attack_store')).toBe(variables.length > 0);
    });
});
