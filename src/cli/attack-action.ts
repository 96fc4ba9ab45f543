import { ATTACKS } from '../../guests/hostile/index.js';
import { APPROACHES, approachExpected, NAMED_APPROACHES } from '../../host/protection/approaches.js';
import { attackDocument } from '../attack/attack-document.js';
import { compareCell } from '../attack/compare-cell.js';
import type { AttackedApproach, Cell, MatrixRequest } from '../attack/matrix.js';
import { explainText, matrixText } from '../attack/matrix-text.js';
import type { PageLink } from '../report/html/page.js';
import { type NamedText, OutputFolder } from '../report/output-folder.js';
import { ATTACK_PAGE } from '../report/page-names.js';
import { isModulePath } from '../scenario/module-path.js';
import { OwnModules, ofCommandLine } from '../scenario/own-modules.js';
import type { AttackTask } from '../work/attack-task.js';
import { resultOf } from '../work/refusable.js';
import { UsageError } from './cli-io.js';
import type { CommandAction, GivenOptions } from './commands/entry.js';
import { jobsOf, longWork } from './long-work.js';
import { seedOf, text } from './options.js';
import { folderPath } from './output-paths.js';
import { linksBeside } from './page-links.js';
import { againLine, commandLine } from './repeat-line.js';
import { untilWritten } from './until-written.js';

/** `cdna-nic attack`: which attacks get through which approaches. */
export const attackAction: CommandAction = async (_args, options, io) => {
  const explained = text(options.explain)?.split(',');
  if (explained !== undefined && explained.length > 2)
    throw new UsageError(`--explain is "${explained.join(',')}", expected ATTACK or ATTACK,APPROACH`);
  const attacks = choose(
    explained?.[0] === undefined ? '--attacks' : '--explain',
    ATTACKS,
    explained?.[0] ?? text(options.attacks),
  );
  const { approaches, tasksOf } = await attacked(
    explained?.[1] === undefined ? '--protection' : '--explain',
    explained?.[1] ?? text(options.protection),
  );
  const seed = seedOf(options.seed);
  const repeat = again(io.program, options, seed);
  const out = folderPath('--out', options.out);
  const folder = out === undefined ? undefined : new OutputFolder(out, FILES, options.force === true);
  const request = { attacks, approaches, seed };
  const { cells, document, written } = await untilWritten(folder, async (interruption) => {
    const tasks = tasksOf(
      attacks.map(({ name }) => name),
      seed,
    );
    const rows = await longWork(io, jobsOf(options, io), interruption, ({ workers, show }) =>
      workers.each('attack/approach', tasks, (done) => show(`attack ${done}/${tasks.length} approaches`)),
    );
    const cells = rows.flatMap(resultOf);
    const document = attackDocument(seed, cells);
    if (folder === undefined) return { cells, document, written: [] };
    const files = await filesOf(request, cells, document, repeat, linksBeside(out, FILES[1]));
    await interruption.breathe();
    return { cells, document, written: folder.write(files) };
  });
  const [attack] = attacks;
  if (options.json === true) io.out(document);
  else if (explained !== undefined && attack !== undefined) io.out(explainText(attack, cells));
  else io.out(matrixText(attacks, approaches, cells));
  if (options.json !== true) {
    io.out('\n');
    for (const path of written) io.out(`wrote ${path}\n`);
    io.out(`${againLine(repeat, options)}\n`);
  }
  const unexplained = cells
    .map(compareCell)
    .filter((cell) => cell?.asExpected === false && cell.explainedBy === undefined);
  for (const cell of unexplained) {
    if (cell !== undefined)
      io.err(
        `${cell.attack} on ${cell.approach}: expected that it ${cell.expected}, and nothing explains the difference\n`,
      );
  }
  return unexplained.length === 0 ? 0 : 1;
};

const FILES = ['attack.json', ATTACK_PAGE] as const;

/** The document and the HTML report. */
async function filesOf(
  request: MatrixRequest,
  cells: readonly Cell[],
  document: string,
  repeat: string,
  links: readonly PageLink[],
): Promise<NamedText[]> {
  const { attackPage } = await import('../attack/attack-page.js');
  return [
    { name: FILES[0], text: document },
    { name: FILES[1], text: attackPage(request, cells, repeat, links) },
  ];
}

/** The approaches of a list, in the order of the catalogue, then the user's own in theirs; and how they are attacked. */
async function attacked(option: string, names: string | undefined) {
  const given = names?.split(',') ?? [];
  const own = given.filter(isModulePath);
  const rest = given.filter((name) => !isModulePath(name));
  const known =
    names === undefined
      ? APPROACHES
      : rest.length === 0
        ? []
        : choose(option, NAMED_APPROACHES, rest.join(','), approachExpected);
  const moduleNames = [...new Set(own)].map((name) => ofCommandLine('protection', name, option));
  const modules = await OwnModules.load(moduleNames, true);
  const shown = modules.namesOf(moduleNames);
  const listed = [
    ...known.map(({ name }) => ({ approach: name, shownAs: name })),
    ...moduleNames.map(({ name }, index) => ({ approach: name, shownAs: shown[index] ?? name })),
  ];
  return {
    approaches: listed.map(
      ({ approach, shownAs }): AttackedApproach => ({
        name: shownAs,
        make: () => modules.protection(approach),
      }),
    ),
    tasksOf: (attacks: readonly string[], seed: number): AttackTask[] =>
      listed.map((entry) => ({ ...entry, attacks, moduleNames, seed })),
  };
}

/** The entries with the names of a list, in their own order. @throws UsageError for a name that does not exist. */
function choose<T extends { readonly name: string }>(
  option: string,
  all: readonly T[],
  names: string | undefined,
  expected: (name: string, all: readonly T[]) => string = (_name, known) =>
    `expected one of: ${known.map((entry) => entry.name).join(', ')}`,
): readonly T[] {
  if (names === undefined) return all;
  const wanted = new Set(names.split(','));
  for (const name of wanted) {
    if (!all.some((entry) => entry.name === name))
      throw new UsageError(`${option} has "${name}", ${expected(name, all)}`);
  }
  return all.filter(({ name }) => wanted.has(name));
}

/** The command that plays the same again. */
function again(program: string, options: GivenOptions, seed: number): string {
  const words = [program, 'attack'];
  for (const name of ['explain', 'attacks', 'protection']) {
    const given = text(options[name]);
    if (given !== undefined) words.push(`--${name}`, given);
  }
  return commandLine([...words, '--seed', String(seed)]);
}
