import { counted } from '../../scheduler/counted.js';
import { failuresOf, failuresText } from '../sweep/failures.js';
import type { Journal } from '../sweep/journal.js';
import type { Plan } from '../sweep/plan.js';
import { type SweepDocumentJson, sweepDocument } from '../sweep/sweep-documents.js';
import { dictionaryTable, tablesOf } from '../sweep/tables.js';
import { writeTables } from '../sweep/write-tables.js';
import type { CliIo } from './cli-io.js';
import type { SweepRequest } from './sweep-request.js';

/** Writes the tables of a study whose runs are all in the journal, and says what was written. */
export async function finishSweep(
  command: SweepDocumentJson['command'],
  plan: Plan,
  seedCounts: readonly number[],
  journal: Journal,
  { out, formats, json }: Pick<SweepRequest, 'out' | 'formats' | 'json'>,
  io: CliIo,
): Promise<0 | 1> {
  const tables = tablesOf(plan, seedCounts, journal);
  const dictionary = { name: 'dictionary', ...dictionaryTable(tables) };
  const written = [
    ...(await writeTables(out, tables, formats)),
    ...(await writeTables(out, [dictionary], ['csv'])),
  ];
  const failures = failuresOf(plan.jobs(seedCounts), journal);
  const runs = seedCounts.reduce((sum, count) => sum + count, 0);
  const points = plan.points.length;
  if (json) {
    io.out(sweepDocument(command, { points, runs, failed: failures.count, seeds: seedCounts, written }));
  } else {
    io.out(`${counted(runs, 'run')} of ${counted(points, 'point')}${failuresText(failures)}\n`);
    for (const path of written) io.out(`wrote ${path}\n`);
  }
  return failures.count === 0 ? 0 : 1;
}
