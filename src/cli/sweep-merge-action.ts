import { OutputFolder } from '../report/output-folder.js';
import { Journal } from '../sweep/journal.js';
import { loadStudy } from '../sweep/load-study.js';
import { requireEveryRun } from '../sweep/missing-runs.js';
import { Plan } from '../sweep/plan.js';
import { SweepError } from '../sweep/sweep-error.js';
import {
  journalPath,
  journalsIn,
  mergeJournals,
  refuseForeignTables,
  requireFolder,
  shardsOf,
} from '../sweep/sweep-folder.js';
import type { CommandAction } from './commands/entry.js';
import { commandLine } from './repeat-line.js';
import { readFormats, sweepFolder } from './sweep-request.js';
import { finishSweep } from './sweep-tables.js';

/** `cdna-nic sweep merge`: from journals of shards to tables. */
export const sweepMergeAction: CommandAction = async ([study = '', ...folders], options, io) => {
  const out = sweepFolder(study, options);
  const formats = readFormats(options);
  const json = options.json === true;
  const others = folders.flat().filter((one) => one !== undefined);
  for (const other of others) requireFolder(other);
  const plan = await Plan.of(await loadStudy(study));
  const from = [out, ...others];
  const paths = [...new Set(from)].flatMap(journalsIn);
  if (paths.length === 0)
    throw new SweepError(`no journal of a sweep is in ${from.join(', ')}, expected some of shards`);
  refuseForeignTables(out);
  const folder = new OutputFolder(out);
  let journal: Journal;
  try {
    journal = Journal.open(journalPath(out));
  } catch (error) {
    folder.remove();
    throw error;
  }
  try {
    const taken = mergeJournals(journal, paths);
    if (!json) io.out(`took ${taken} finished runs over\n`);
    const again = commandLine([io.program, 'sweep', study, '--out', out]);
    requireEveryRun(plan, journal, shardsOf(paths), `${again} does the rest`);
    return await finishSweep('sweep merge', plan, plan.seedCounts, journal, { out, formats, json }, io);
  } finally {
    journal.close();
  }
};
