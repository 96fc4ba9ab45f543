import type { FinishedExperiment } from '../experiments/experiment.js';
import { EXPERIMENTS, type Experiment } from '../experiments/index.js';
import { PAGE_KINDS, type PageKind } from '../experiments/iommu-hardware/latency-rows.js';
import { reproduceDocument } from '../experiments/reproduce-document.js';
import { storedSentence } from '../experiments/stored-sentence.js';
import { type NamedText, OutputFolder } from '../report/output-folder.js';
import { type CliIo, UsageError } from './cli-io.js';
import type { CommandAction } from './commands/entry.js';
import { Interrupted } from './interruption.js';
import { jobsOf, type LongWork, longWork } from './long-work.js';
import { seedOf, text } from './options.js';
import { folderPath } from './output-paths.js';
import { linksBeside } from './page-links.js';
import { againLine, commandLine } from './repeat-line.js';
import { untilWritten } from './until-written.js';

/** Runs one experiment, or all of them. What is finished is printed and written as it comes, and stays. */
export const reproduceAction: CommandAction = async ([name = ''], options, io) => {
  const experiments = chosen(name);
  const measured = measurementsOf(name, experiments, options);
  const { dataPath } = measured;
  const seed = seedOf(options.seed);
  const jobs = jobsOf(options, io);
  const out = folderPath('--out', options.out);
  const call = { seed, dataPath, repeatOf: (one: string) => again(io, one, measured, seed) };
  const folder =
    out === undefined
      ? undefined
      : new OutputFolder(out, [...experiments.map(fileOf), PAGE], options.force === true);
  const written: string[] = [];
  const isText = options.json !== true;
  const finished: FinishedExperiment[] = [];
  const outcomes = await untilWritten(folder, async (interruption) => {
    const all = await longWork(io, jobs, interruption, (long) =>
      runAll(experiments, measured, seed, long, (one) => {
        finished.push(one);
        if (folder !== undefined) written.push(...folder.write([documentOf(one)]));
        if (isText) io.out(`${one.outcome.text}\n\n`);
      }),
    ).catch((error: unknown) => {
      if (error instanceof Interrupted && finished.length > 0)
        throw new Interrupted(error.signal, `finished and kept: ${namesOf(finished)}`);
      throw error;
    });
    if (folder !== undefined) {
      const { reproducePage } = await import('../experiments/reproduce-page.js');
      const page = reproducePage(all, {
        ...call,
        repeat: call.repeatOf(name),
        links: linksBeside(text(options.out), PAGE),
      });
      written.push(...folder.write([{ name: PAGE, text: page }]));
    }
    return all;
  });
  if (isText) {
    if (dataPath === undefined) io.out(`${storedSentence(outcomes, seed)}\n`);
    for (const path of written) io.out(`wrote ${path}\n`);
    io.out(`${againLine(call.repeatOf(name), options)}\n`);
  } else {
    io.out(reproduceDocument(outcomes.map(({ outcome }) => outcome.result)));
  }
  return outcomes.some(({ outcome }) => outcome.stored === 'different') ? 1 : 0;
};

/** All at once: their tasks share the threads, and the line shows the one that moved last. */
async function runAll(
  experiments: readonly Experiment[],
  files: MeasurementFiles,
  seed: number,
  { workers, show }: LongWork,
  done: (finished: FinishedExperiment) => void,
): Promise<FinishedExperiment[]> {
  const fractions = experiments.map(() => 0);
  return Promise.all(
    experiments.map(async (experiment, index) => {
      const progress = (fraction: number, step: string) => {
        fractions[index] = fraction;
        const whole = fractions.reduce((sum, one) => sum + one, 0) / experiments.length;
        show(`reproduce ${Math.round(whole * 100)} %, ${experiment.name}: ${step}`);
      };
      const outcome = await experiment.run({ ...files, seed, threads: workers, progress });
      progress(1, 'done');
      done({ experiment, outcome });
      return { experiment, outcome };
    }),
  );
}

function namesOf(finished: readonly FinishedExperiment[]): string {
  return finished.map(({ experiment }) => experiment.name).join(', ');
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

function documentOf({ experiment, outcome }: FinishedExperiment): NamedText {
  return { name: fileOf(experiment), text: reproduceDocument([outcome.result]) };
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
