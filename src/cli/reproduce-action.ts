import { EXPERIMENTS, type Experiment } from '../experiments/index.js';
import type { FinishedExperiment, ReproduceCall } from '../experiments/reproduce-page.js';
import { Threads } from '../experiments/threads.js';
import { writeTogether } from '../report/output-files.js';
import { type CliIo, UsageError } from './cli-io.js';
import type { CommandAction } from './commands/entry.js';
import { Interruption } from './interruption.js';
import { seedOf, text } from './options.js';
import { ProgressLine } from './progress.js';
import { commandLine } from './repeat-line.js';

/** Runs one experiment, or all of them. */
export const reproduceAction: CommandAction = async ([name = ''], options, io) => {
  const experiments = chosen(name);
  const dataPath = text(options.data);
  if (dataPath !== undefined && (name === 'all' || experiments[0]?.takesData !== true)) {
    throw new UsageError(
      `--data is "${dataPath}", but ${name} takes no data; expected iommu-hardware with it`,
    );
  }
  const seed = seedOf(options.seed);
  const out = text(options.out);
  const repeat = again(io, name, dataPath, seed);
  const interruption = new Interruption();
  interruption.listen();
  let outcomes: readonly FinishedExperiment[];
  let written: readonly string[] = [];
  try {
    outcomes = await runAll(experiments, dataPath, seed, io, interruption);
    if (out !== undefined) written = await writeAll(out, outcomes, { seed, repeat, dataPath }, interruption);
  } finally {
    interruption.close();
  }
  if (options.json === true) {
    const documents = outcomes.map(({ outcome }) => outcome.document);
    io.out(`${JSON.stringify(documents.length === 1 ? documents[0] : { results: documents }, null, 2)}\n`);
  } else {
    for (const { outcome } of outcomes) io.out(`${outcome.text}\n\n`);
    for (const { experiment, outcome } of outcomes) {
      if (!outcome.asStored) io.out(`${experiment.name}: not what the stored result says\n`);
    }
    for (const path of written) io.out(`wrote ${path}\n`);
    io.out(`again: ${repeat}\n`);
  }
  return outcomes.every(({ outcome }) => outcome.asStored) ? 0 : 1;
};

/** All at once: their tasks share the threads, and the line shows the one that moved last. */
async function runAll(
  experiments: readonly Experiment[],
  dataPath: string | undefined,
  seed: number,
  io: CliIo,
  interruption: Interruption,
): Promise<FinishedExperiment[]> {
  const line = new ProgressLine(io);
  const threads = new Threads();
  const fractions = experiments.map(() => 0);
  try {
    const running = Promise.all(
      experiments.map(async (experiment, index) => {
        const progress = (fraction: number, step: string) => {
          fractions[index] = fraction;
          const whole = fractions.reduce((sum, one) => sum + one, 0) / experiments.length;
          line.show(`reproduce ${Math.round(whole * 100)} %, ${experiment.name}: ${step}`);
        };
        const repeat = again(io, experiment.name, dataPath, seed);
        const outcome = await experiment.run({ dataPath, seed, repeat, threads, progress });
        progress(1, 'done');
        return { experiment, outcome };
      }),
    );
    // Threads do not hear signals; they are ended below, whatever they are doing.
    return await interruption.cutShort(running);
  } finally {
    line.clear();
    await threads.close();
  }
}

function chosen(name: string): readonly Experiment[] {
  if (name === 'all') return EXPERIMENTS;
  const found = EXPERIMENTS.filter((experiment) => experiment.name === name);
  if (found.length > 0) return found;
  const names = EXPERIMENTS.map((experiment) => experiment.name).join(', ');
  throw new UsageError(`experiment is "${name}", expected one of: ${names}, all`);
}

/** A document an experiment, and one report to look at. */
async function writeAll(
  folder: string,
  finished: readonly FinishedExperiment[],
  call: ReproduceCall,
  interruption: Interruption,
): Promise<string[]> {
  const { reproducePage } = await import('../experiments/reproduce-page.js');
  const page = await reproducePage(finished, call);
  await interruption.breathe();
  return writeTogether(folder, [
    ...finished.map(({ experiment, outcome }) => ({
      name: `${experiment.name}.json`,
      text: `${JSON.stringify(outcome.document, null, 2)}\n`,
    })),
    { name: 'reproduce.html', text: page },
  ]);
}

function again(io: CliIo, name: string, dataPath: string | undefined, seed: number): string {
  const data = dataPath === undefined ? [] : ['--data', dataPath];
  return commandLine([io.program, 'reproduce', name, ...data, '--seed', String(seed)]);
}
