import { join } from 'node:path';
import { readCapture } from '../../guests/capture/index.js';
import { ParameterError } from '../../scheduler/errors.js';
import { fairnessDocument } from '../fairness/fairness-document.js';
import { delaysChart, sharesChart } from '../fairness/fairness-figures.js';
import { fairnessPage } from '../fairness/fairness-page.js';
import {
  ALL_DISCIPLINES,
  ALL_WORKLOADS,
  fairnessTasks,
  type StudySettings,
  type WorkloadFinding,
  workloadFinding,
} from '../fairness/fairness-study.js';
import { FAIRNESS_LEGEND, fairnessText } from '../fairness/fairness-text.js';
import { chartSvg } from '../report/charts/draw.js';
import { type NamedText, OutputFolder } from '../report/output-folder.js';
import { ofCommandLine } from '../scenario/own-modules.js';
import { packageFolder } from '../scenario/package-folder.js';
import { resultOf } from '../work/refusable.js';
import { UsageError } from './cli-io.js';
import type { CommandAction, GivenOptions } from './commands/entry.js';
import { formatDuration, parseDuration } from './duration.js';
import { jobsOf, longWork } from './long-work.js';
import { seedOf, text, wholeNumber } from './options.js';
import { folderPath } from './output-paths.js';
import { linksBeside } from './page-links.js';
import { againLine, commandLine } from './repeat-line.js';
import { untilWritten } from './until-written.js';

const LINK_BPS = 1_000_000_000;
const DEFAULT_CONTEXTS = 16;
const DEFAULT_DURATION_NS = 50_000_000;
/** Below this a window holds hardly a frame of each, above it the delays fill memory. */
const DURATIONS_NS = [1_000_000, 1_000_000_000] as const;
const BUNDLED_CAPTURES = ['web.pcapng', 'bulk.pcap', 'voice.pcap'];

/** Runs the study of fairness and shows it. */
export const fairnessAction: CommandAction = async (_args, options, io) => {
  const settings = settingsOf(options);
  const tasks = await usable(() => fairnessTasks(settings));
  const repeat = repeatLine(settings, options, io.program);
  const out = folderPath('--out', options.out);
  const folder =
    out === undefined
      ? undefined
      : new OutputFolder(out, fileNames(settings.workloads), options.force === true);
  const { findings, document, written } = await untilWritten(folder, async (interruption) => {
    const findings = await longWork(io, jobsOf(options, io), interruption, async ({ workers, show }) => {
      const outcomes = await workers.each('fairness/discipline', tasks, (done) =>
        show(`fairness ${done}/${tasks.length}`),
      );
      const rows = outcomes.map(resultOf);
      const { workloads, disciplines } = settings;
      return workloads.map((name, index) =>
        workloadFinding(
          settings,
          name,
          rows.slice(index * disciplines.length, (index + 1) * disciplines.length),
        ),
      );
    });
    const document = fairnessDocument(settings, findings, repeat);
    if (folder === undefined) return { findings, document, written: [] };
    const page = fairnessPage(settings, findings, repeat, linksBeside(text(options.out), 'fairness.html'));
    await interruption.breathe();
    const files = filesOf(document, page, findings);
    await interruption.breathe();
    return { findings, document, written: folder.write(files) };
  });
  if (options.json === true) {
    io.out(document);
  } else {
    for (const finding of findings) io.out(`${fairnessText(finding)}\n`);
    io.out(`${FAIRNESS_LEGEND}\n\n`);
    for (const path of written) io.out(`wrote ${path}\n`);
    io.out(`${againLine(repeat, options)}\n`);
  }
  return findings.some(({ findings: rows }) => rows.some(({ broken }) => broken > 0)) ? 1 : 0;
};

function settingsOf(options: GivenOptions): StudySettings {
  const workloads = names(options, 'workloads', ALL_WORKLOADS);
  const duration = text(options.duration);
  const durationNs = duration === undefined ? DEFAULT_DURATION_NS : parseDuration('--duration', duration);
  const [least, most] = DURATIONS_NS;
  if (durationNs < least || durationNs > most) {
    throw new UsageError(
      `--duration is "${duration}", expected ${formatDuration(least)} to ${formatDuration(most)}`,
    );
  }
  const disciplines = names(options, 'disciplines', ALL_DISCIPLINES);
  return {
    contexts: wholeNumber('--contexts', text(options.contexts), 2, 256) ?? DEFAULT_CONTEXTS,
    disciplines,
    moduleNames: disciplines.map((name) => ofCommandLine('discipline', name, '--disciplines')),
    workloads,
    seed: seedOf(options.seed),
    durationNs,
    linkBps: LINK_BPS,
    capturePaths: workloads.includes('replay') ? capturesOf(options) : [],
  };
}

/** Captures that can be played at a rate. */
function capturesOf(options: GivenOptions): string[] {
  const given = text(options.captures);
  const paths = given?.split(',') ?? BUNDLED_CAPTURES.map((name) => join(packageFolder(), 'captures', name));
  return paths.map((path) => {
    const capture = readCapture(path);
    const times = new Set(capture.frames.map(({ timeNs }) => timeNs));
    if (times.size < 2) {
      throw new UsageError(
        `--captures: ${path} has frames at ${times.size} times, expected at least 2 to play at a rate`,
      );
    }
    return path;
  });
}

function names(options: GivenOptions, option: string, all: readonly string[]): readonly string[] {
  const given = text(options[option]);
  if (given === undefined) return all;
  const list = given.split(',').map((name) => name.trim());
  const twice = list.find((name, index) => list.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`--${option} names "${twice}" twice, expected each once`);
  return list;
}

/** What the study refuses by name was typed on the command line. */
async function usable<T>(build: () => Promise<T>): Promise<T> {
  try {
    return await build();
  } catch (error) {
    if (error instanceof ParameterError) throw new UsageError(error.message);
    throw error;
  }
}

const DOCUMENT = 'fairness.json';
const PAGE = 'fairness.html';
const sharesFile = (workload: string) => `fairness-shares-${workload}.svg`;
const delaysFile = (workload: string) => `fairness-delays-${workload}.svg`;

function fileNames(workloads: readonly string[]): string[] {
  return [DOCUMENT, PAGE, ...workloads.flatMap((name) => [sharesFile(name), delaysFile(name)])];
}

/** The document, the HTML report, and its plots as files of their own. */
function filesOf(document: string, page: string, findings: readonly WorkloadFinding[]): NamedText[] {
  const files: NamedText[] = [
    { name: DOCUMENT, text: document },
    { name: PAGE, text: page },
  ];
  for (const finding of findings) {
    const { name } = finding.workload;
    files.push({ name: sharesFile(name), text: chartSvg(sharesChart(finding)) });
    files.push({ name: delaysFile(name), text: chartSvg(delaysChart(finding)) });
  }
  return files;
}

function repeatLine(settings: StudySettings, options: GivenOptions, program: string): string {
  const { contexts, disciplines, workloads, seed, durationNs } = settings;
  const words = [program, 'fairness', '--contexts', String(contexts)];
  if (disciplines !== ALL_DISCIPLINES) words.push('--disciplines', disciplines.join(','));
  if (workloads !== ALL_WORKLOADS) words.push('--workloads', workloads.join(','));
  const captures = text(options.captures);
  if (captures !== undefined) words.push('--captures', captures);
  words.push('--seed', String(seed), '--duration', formatDuration(durationNs));
  return commandLine(words);
}
