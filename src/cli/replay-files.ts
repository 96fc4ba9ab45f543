import { LiveCapture } from '../live/live-capture.js';
import type { LiveMachine } from '../live/live-machine.js';
import { SessionFrames } from '../live/session-frames.js';
import type { RunResult } from '../machine/run-result.js';
import { APPROACHES_PAGE } from '../report/page-names.js';
import type { RunHeading } from '../report/run-heading.js';
import { RunTrace } from '../report/run-trace.js';
import type { TraceArguments } from '../report/timeline-writer.js';
import type { GivenOptions } from './commands/entry.js';
import { folderPath } from './output-paths.js';
import { linksBeside } from './page-links.js';
import { RunOutputs, type WrittenFile } from './run-outputs.js';
import { type FileOptions, fileOptions } from './run-request.js';

/** Files that a replay is to write besides what it prints. */
export interface WantedFiles extends FileOptions {
  readonly framesFolder: string | undefined;
}

/** @throws UsageError */
export function wantedFiles(options: GivenOptions): WantedFiles {
  return { ...fileOptions(options), framesFolder: folderPath('--frames', options.frames) };
}

/** The files of a replay while it goes on: all of them appear at its end, or none. */
export class ReplayFiles {
  readonly #wanted: WantedFiles;
  readonly #protection: string;
  readonly #outputs: RunOutputs;
  readonly #captures: LiveCapture[] = [];
  readonly #timelines: RunTrace[] = [];
  #frames: SessionFrames | undefined;

  /** Refuses at once what could not be written. @throws OutputFileError */
  constructor(wanted: WantedFiles, protection: string) {
    this.#wanted = wanted;
    this.#protection = protection;
    this.#outputs = new RunOutputs({
      ...wanted,
      command: 'replay',
      attacks: false,
      approaches: [protection],
    });
  }

  /** Starts to watch a machine that has not run yet. @param about facts of the session, for the timeline. @throws OutputFileError */
  watch(machine: LiveMachine, about: TraceArguments): void {
    const { framesFolder, force, snapBytes, traceNs } = this.#wanted;
    const { captures, traces } = this.#outputs.filesOf(this.#protection);
    for (const path of captures) this.#captures.push(new LiveCapture(path, machine, snapBytes));
    for (const path of traces) this.#timelines.push(new RunTrace(path, machine.machine, traceNs, about));
    if (framesFolder !== undefined) this.#frames = new SessionFrames(machine, framesFolder, force);
  }

  /** A frame of a real guest has left. */
  sent(guest: number, bytes: Uint8Array, offset: number, length: number, postedNs: number): void {
    this.#frames?.sent(guest, bytes, offset, length, postedNs);
  }

  /** What the disk refuses is met inside of an observer, and told here. @throws OutputFileError */
  check(): void {
    for (const { file } of [...this.#captures, ...this.#timelines])
      if (file.failure !== undefined) throw file.failure;
  }

  /** Completes the files, and puts them in their places. @throws OutputFileError */
  async finish(
    heading: RunHeading,
    result: RunResult,
    repeat: string,
    document: string,
  ): Promise<WrittenFile[]> {
    const { out } = this.#wanted;
    for (const timeline of this.#timelines) timeline.finish();
    for (const writer of [...this.#captures, ...this.#timelines]) writer.seal();
    this.#outputs.sealed([...this.#captures, ...this.#timelines].flatMap(({ file }) => file.paths ?? []));
    this.#outputs.report('report (JSON)', 'replay.json', document);
    if (out !== undefined) {
      // What draws is imported only where a page is asked for.
      const { comparePage } = await import('../report/compare/compare-page.js');
      const { approachesPage } = await import('./approaches-page.js');
      const links = linksBeside(out, 'replay.html', [APPROACHES_PAGE]);
      this.#outputs.report('report (HTML)', 'replay.html', comparePage(heading, [result], repeat, [], links));
      this.#outputs.report('report (HTML)', APPROACHES_PAGE, approachesPage());
    }
    const { scenario } = heading.loaded;
    const frames = this.#frames?.write(scenario);
    const written = this.#outputs.commit();
    return frames === undefined
      ? written
      : [...written, { kind: 'captures and a scenario that replays them', path: frames }];
  }

  /** Leaves nothing behind. */
  abort(): void {
    for (const writer of [...this.#captures, ...this.#timelines]) writer.abort();
    this.#frames?.abort();
    this.#outputs.abort();
  }
}
