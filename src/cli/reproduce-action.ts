import type { FinishedExperiment } from '../experiments/experiment.js';
import { EXPERIMENTS, type Experiment } from '../experiments/index.js';
import { PAGE_KINDS, type PageKind } from '../experiments/iommu-hardware/latency-rows.js';
import type { ReproduceCall } from '../experiments/reproduce-page.js';
import { storedSentence } from '../experiments/stored-sentence.js';
import { Threads } from '../experiments/threads.js';
import { type NamedText, OutputFolder } from '../report/output-folder.js';
import { type CliIo, UsageError } from './cli-io.js';
import type { CommandAction } from './commands/entry.js';
import type { Interruption } from './interruption.js';
import { seedOf, text } from './options.js';
import { folderPath } from './output-paths.js';
import { ProgressLine } from './progress.js';
import { commandLine } from './repeat-line.js';
import { untilWritten } from './until-written.js';

/** Runs one experiment, or all of them. */
export const reproduceAction: CommandAction = async ([name = ''], options, io) => {
  const experiments = chosen(name);
  const measured = measurementsOf(name, experiments, options);
  const { dataPath } = measured;
  const seed = seedOf(options.seed);
  const out = folderPath('--out', options.out);
  const repeat = again(io, name, measured, seed);
  const folder =
    out === undefined
      ? undefined
      : new OutputFolder(out, [...experiments.map(fileOf), PAGE], options.force === true);
  const { outcomes, written } = await untilWritten(folder, async (interruption) => {
    const outcomes = await runAll(experiments, measured, seed, io, interruption);
    if (folder === undefined) return { outcomes, written: [] };
    const files = await filesOf(outcomes, {
      seed,
      repeat,
      repeatOf: (one) => again(io, one, measured, seed),
      dataPath,
    });
    await interruption.breathe();
    return { outcomes, written: folder.write(files) };
  });
  if (options.json === true) {
    const documents = outcomes.map(({ outcome }) => outcome.document);
    io.out(`${JSON.stringify(documents.length === 1 ? documents[0] : { results: documents }, null, 2)}\n`);
  } else {
    for (const { outcome } of outcomes) io.out(`${outcome.text}\n\n`);
    if (dataPath === undefined) io.out(`${storedSentence(outcomes, seed)}\n`);
    for (const path of written) io.out(`wrote ${path}\n`);
    io.out(`again: ${repeat}\n`);
  }
  return outcomes.some(({ outcome }) => outcome.stored === 'different') ? 1 : 0;
};

/** All at once: their tasks share the threads, and the line shows the one that moved last. */
async function runAll(
  experiments: readonly Experiment[],
  files: MeasurementFiles,
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
        const outcome = await experiment.run({ ...files, seed, threads, progress });
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

const PAGE = 'reproduce.html';
const fileOf = ({ name }: Experiment) => `${name}.json`;

/** A document an experiment, and one report to look at. */
async function filesOf(finished: readonly FinishedExperiment[], call: ReproduceCall): Promise<NamedText[]> {
  const { reproducePage } = await import('../experiments/reproduce-page.js');
  return [
    ...finished.map(({ experiment, outcome }) => ({
      name: fileOf(experiment),
      text: `${JSON.stringify(outcome.document, null, 2)}\n`,
    })),
    { name: PAGE, text: reproducePage(finished, call) },
  ];
}

/** Measurements of a user's own machine, as the command line names them. */
interface MeasurementFiles {
  readonly dataPath: string | undefined;
  readonly latencyPath: string | undefined;
  readonly pages: PageKind | undefined;
}

function measurementsOf(
  name: string,
  experiments: readonly Experiment[],
  options: Readonly<Record<string, string | boolean | undefined>>,
): MeasurementFiles {
  const dataPath = text(options.data);
  const latencyPath = text(options.latency);
  const pages = text(options.pages);
  for (const [option, value] of Object.entries({ data: dataPath, latency: latencyPath, pages })) {
    if (value !== undefined && (name === 'all' || experiments[0]?.takesData !== true)) {
      throw new UsageError(
        `--${option} is "${value}", but ${name} takes no data; expected iommu-hardware with it`,
      );
    }
  }
  if (dataPath !== undefined && latencyPath === undefined) {
    throw new UsageError('--latency is missing, expected a file of latencies beside --data');
  }
  if (dataPath === undefined && (latencyPath ?? pages) !== undefined) {
    throw new UsageError('--data is missing, expected a file of rates beside --latency and --pages');
  }
  const kind = PAGE_KINDS.find((one) => one === pages);
  if (pages !== undefined && kind === undefined) {
    throw new UsageError(`--pages is "${pages}", expected one of: ${PAGE_KINDS.join(', ')}`);
  }
  return { dataPath, latencyPath, pages: kind };
}

function again(io: CliIo, name: string, files: MeasurementFiles, seed: number): string {
  const given = [
    ['--data', files.dataPath],
    ['--latency', files.latencyPath],
    ['--pages', files.pages],
  ].flatMap(([option, value]) => (option === undefined || value === undefined ? [] : [option, value]));
  return commandLine([io.program, 'reproduce', name, ...given, '--seed', String(seed)]);
}
