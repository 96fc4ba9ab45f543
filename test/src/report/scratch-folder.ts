import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A folder of its own for a test file, gone when its tests are over. */
export function scratchFolder(): { path: (name: string) => string; list: () => string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'report-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  return { path: (name) => join(folder, name), list: () => readdirSync(folder).sort() };
}
