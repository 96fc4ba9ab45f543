import { existsSync } from 'node:fs';
import { pageHtml } from '../report/html/page.js';
import { OutputFolder } from '../report/output-folder.js';
import { Journal } from '../sweep/journal.js';
import { loadStudy } from '../sweep/load-study.js';
import { Plan } from '../sweep/plan.js';
import { differencesTable } from '../sweep/report/differences-text.js';
import { studyReport } from '../sweep/report/study-report.js';
import { sweepReportDocument } from '../sweep/sweep-documents.js';
import { SweepError } from '../sweep/sweep-error.js';
import { journalPath } from '../sweep/sweep-folder.js';
import { writeTables } from '../sweep/write-tables.js';
import { UsageError } from './cli-io.js';
import type { CommandAction, GivenOptions } from './commands/entry.js';
import { text } from './options.js';
import { commandLine } from './repeat-line.js';
import { sweepFolder } from './sweep-request.js';

const PAGE = 'report.html';

/** `cdna-nic sweep report`: what a sweep found, as a page. */
export const sweepReportAction: CommandAction = async ([study = ''], options, io) => {
  const out = sweepFolder(study, options);
  const where = whereOf(text(options.where));
  const plan = await Plan.of(await loadStudy(study));
  const path = journalPath(out);
  if (!existsSync(path)) {
    throw new SweepError(`${path} is not there, expected the journal of a sweep; sweep the study first`);
  }
  const journal = Journal.read(path);
  try {
    const { page, differences } = studyReport(plan, journal, {
      metrics: text(options.metrics)?.split(','),
      over: text(options.over),
      lines: text(options.lines),
      where,
      repeat: again(io.program, study, options),
    });
    const written = [
      ...new OutputFolder(out).write([{ name: PAGE, text: pageHtml(page) }]),
      ...(await writeTables(out, [differencesTable(differences)], ['csv'])),
    ];
    if (options.json === true) {
      io.out(sweepReportDocument({ answer: page.answer, differences, written }));
      return 0;
    }
    for (const paragraph of page.answer) io.out(`${paragraph}\n`);
    for (const file of written) io.out(`wrote ${file}\n`);
    return 0;
  } finally {
    journal.close();
  }
};

/** Reads `VARIABLE=VALUE,VARIABLE=VALUE`. @throws UsageError */
function whereOf(given: string | undefined): { readonly name: string; readonly value: string }[] {
  if (given === undefined) return [];
  return given.split(',').map((part) => {
    const at = part.indexOf('=');
    if (at < 1) throw new UsageError(`--where has "${part}", expected VARIABLE=VALUE`);
    return { name: part.slice(0, at), value: part.slice(at + 1) };
  });
}

function again(program: string, study: string, options: GivenOptions): string {
  const words = [program, 'sweep', 'report', study];
  for (const name of ['out', 'metrics', 'over', 'lines', 'where']) {
    const given = text(options[name]);
    if (given !== undefined) words.push(`--${name}`, given);
  }
  return commandLine(words);
}
