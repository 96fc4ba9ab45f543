import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { runCli } from '../../../src/cli/program.js';
import { checkStudy, studyOf } from '../../../src/sweep/load-study.js';
import { Plan } from '../../../src/sweep/plan.js';
import type { StudyInput } from '../../../src/sweep/study-schema.js';

/** Two guests on a wire, short enough to be run many times. */
export const SCENARIO = {
  guests: [
    { name: 'a', traffic: { kind: 'poisson', wireRateBps: 300_000_000 } },
    { name: 'b', traffic: { kind: 'greedy' } },
  ],
};

/** Three approaches by two loads by two seeds. */
export const STUDY: StudyInput = {
  scenario: SCENARIO,
  vary: [
    { path: 'protection', values: ['none', 'cdna', 'iommu:deferred'] },
    { path: 'guests[a].traffic.wireRateBps', name: 'load', values: [1e8, 5e8] },
  ],
  seeds: 2,
  warmUpNs: 50_000,
  windowNs: 100_000,
};

export function planOf(input: StudyInput): Promise<Plan> {
  const study = checkStudy(input);
  return Plan.of(studyOf(study, study.scenario, '.', 'study'));
}

/** An empty folder that is gone after the test. */
export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cdna-sweep-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a study into a folder and returns its path. */
export function studyFile(folder: string, study: unknown): string {
  const path = join(folder, 'study.json');
  writeFileSync(path, JSON.stringify(study));
  return path;
}

/** Runs a command line in this process. */
export async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await runCli(args, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    errIsTerminal: false,
    columns: 100,
    program: 'cdna-nic',
    // In this thread: to start others takes longer than the runs.
    jobs: 1,
  });
  return { code, out, err };
}
