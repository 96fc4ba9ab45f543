import { ATTACKS } from '../../guests/hostile/index.js';
import { type LetThrough, letThrough } from '../attack/let-through.js';
import type { Cell } from '../attack/matrix.js';
import type { RunResult } from '../machine/run.js';
import { seedSamples, seedStatistics } from '../report/compare/seeds.js';
import { APPROACHES_PAGE, ATTACK_PAGE } from '../report/page-names.js';
import { formatRunDocument } from '../report/run-document.js';
import type { AttackTask } from '../work/attack-task.js';
import { resultOf } from '../work/refusable.js';
import { type RunOutcome, type RunTask, runStepwise } from '../work/run-task.js';
import type { CliIo } from './cli-io.js';
import { Interruption } from './interruption.js';
import { type LongWork, longWork } from './long-work.js';
import { linksBeside } from './page-links.js';
import { ProgressLine } from './progress.js';
import { commandLine, repeatLine } from './repeat-line.js';
import { RunOutputs, type WrittenFile } from './run-outputs.js';
import type { RunRequest } from './run-request.js';

/** The results of a request. */
export interface Execution {
  readonly results: readonly RunResult[];
  /** What each approach lets through; empty where attacks were not played. */
  readonly through: readonly LetThrough[];
  readonly files: readonly WrittenFile[];
  /** The JSON document: what --json prints and what lies in the folder of --out. */
  readonly document: string;
  readonly repeat: string;
  /** What the user should know of the captures that were read, and of what the scenario does at its times. */
  readonly notes: readonly string[];
}

/**
 * Runs a scenario under each approach that was asked for, and for a comparison plays the attacks too. Either every file
 * of it appears, or none.
 */
export async function execute(request: RunRequest, io: CliIo): Promise<Execution> {
  const { approaches, attacks, jobs } = request;
  const interruption = new Interruption();
  const outputs = new RunOutputs(request);
  interruption.listen();
  try {
    const repeat = repeatLine(request, io.program);
    // Captures and timelines are those of the first seed.
    const tasks = approaches.flatMap((approach) => [
      taskOf(request, approach, request.seed, outputs.filesOf(approach), repeat),
      ...Array.from({ length: request.seeds - 1 }, (_, index) =>
        taskOf(request, approach, request.seed + index + 1, { captures: [], traces: [] }, repeat),
      ),
    ]);
    const [outcomes, cells] =
      jobs === 1 || (tasks.length === 1 && !attacks)
        ? await oneByOne(tasks, request, io, interruption)
        : await longWork(io, jobs, interruption, (long) => together(tasks, request, long));
    const results = outcomes.map(({ result }) => result);
    for (const { files } of outcomes) outputs.sealed(files);
    // Every run reads the same captures, and has the same window.
    const notes = outcomes[0]?.notes ?? [];
    const through = throughOf(request, cells);
    return await written({ results, through, notes }, cells, request, outputs, io, interruption);
  } catch (error) {
    outputs.abort();
    throw error;
  } finally {
    interruption.close();
  }
}

function taskOf(
  request: RunRequest,
  approach: string,
  seed: number,
  files: Pick<RunTask, 'captures' | 'traces'>,
  repeat: string,
): RunTask {
  const { loaded, discipline, moduleNames, allowModules, warmUpNs, durationNs, snapBytes, traceNs } = request;
  return {
    ...{ loaded, approach, discipline, moduleNames, allowModules, seed, warmUpNs, durationNs },
    ...files,
    ...{ snapBytes, traceNs, repeat },
  };
}

type Outcomes = readonly [runs: readonly RunOutcome[], cells: readonly Cell[]];

/** Runs and attacks in threads: a task per run, and a task per approach for the attacks. */
async function together(
  tasks: readonly RunTask[],
  request: RunRequest,
  { workers, show }: LongWork,
): Promise<Outcomes> {
  const attacks = attackTasks(request);
  let done = 0;
  const step = () => {
    done += 1;
    show(`${request.command} ${done}/${tasks.length + attacks.length}`);
  };
  // The longer tasks first, so that no thread is left with one when the others have nothing to do.
  const played = workers.each('attack/approach', attacks, step);
  const [outcomes, cells] = await Promise.all([workers.each('compare/run', tasks, step), played]);
  return [outcomes.map(resultOf), cells.flatMap(resultOf)];
}

/** The same in this thread, one step of a run at a time. */
async function oneByOne(
  tasks: readonly RunTask[],
  request: RunRequest,
  io: CliIo,
  interruption: Interruption,
): Promise<Outcomes> {
  const line = new ProgressLine(io);
  try {
    const outcomes: RunOutcome[] = [];
    for (const [index, task] of tasks.entries()) {
      outcomes.push(
        await runStepwise(task, async (fraction) => {
          line.show(`${index + 1}/${tasks.length} ${task.approach} ${Math.round(fraction * 100)} %`);
          await interruption.breathe();
        }),
      );
    }
    const attacks = attackTasks(request);
    if (attacks.length === 0) return [outcomes, []];
    const cells = await longWork(io, 1, interruption, ({ workers, show }) =>
      workers.each('attack/approach', attacks, (done) => show(`attacks ${done}/${attacks.length}`)),
    );
    return [outcomes, cells.flatMap(resultOf)];
  } finally {
    line.clear();
  }
}

/** Every attack on every approach that runs, also on those of the user's own. */
function attackTasks({ approaches, shownAs, attacks, moduleNames, seed }: RunRequest): AttackTask[] {
  if (!attacks) return [];
  const names = ATTACKS.map(({ name }) => name);
  return approaches.map((approach, index) => ({
    attacks: names,
    approach,
    shownAs: shownAs[index] ?? approach,
    moduleNames,
    seed,
  }));
}

function throughOf({ shownAs, attacks }: RunRequest, cells: readonly Cell[]): LetThrough[] {
  if (!attacks) return [];
  return shownAs.map((approach) => letThrough(approach, cells));
}

/** Writes document and pages, and puts all files in their places. */
async function written(
  { results, through, notes }: Pick<Execution, 'results' | 'through' | 'notes'>,
  cells: readonly Cell[],
  request: RunRequest,
  outputs: RunOutputs,
  io: CliIo,
  interruption: Interruption,
): Promise<Execution> {
  const { command, loaded, seed, seeds, out } = request;
  const repeat = repeatLine(request, io.program);
  const document = formatRunDocument({
    command,
    repeat,
    seed,
    scenario: loaded.scenario,
    source: loaded.source,
    notes,
    results,
    ...(request.attacks ? { attacks: through } : {}),
    ...(seeds === 1 ? {} : { statistics: seedStatistics(seedSamples(results, through, loaded.scenario)) }),
  });
  outputs.report('report (JSON)', `${command}.json`, document);
  if (out !== undefined) {
    // What draws is imported only where a page is asked for.
    const { comparePage } = await import('../report/compare/compare-page.js');
    const { approachesPage } = await import('./approaches-page.js');
    const page = `${command}.html`;
    const links = linksBeside(out, page, [APPROACHES_PAGE, ...(request.attacks ? [ATTACK_PAGE] : [])]);
    outputs.report('report (HTML)', page, comparePage(request, results, repeat, through, links));
    outputs.report('report (HTML)', APPROACHES_PAGE, approachesPage());
    await interruption.breathe();
    if (request.attacks) {
      const { attackPage } = await import('../attack/attack-page.js');
      const matrix = { attacks: ATTACKS, approaches: request.shownAs.map((name) => ({ name })), seed };
      const names = request.approaches.join(',');
      const again = commandLine([io.program, 'attack', '--protection', names, '--seed', String(seed)]);
      const back = linksBeside(out, ATTACK_PAGE, [page, APPROACHES_PAGE]);
      outputs.report('report (HTML)', ATTACK_PAGE, attackPage(matrix, cells, again, back));
      await interruption.breathe();
    }
  }
  return { results, through, notes, files: outputs.commit(), document, repeat };
}
