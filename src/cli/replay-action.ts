import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LiveCapture } from '../live/live-capture.js';
import { LiveMachine } from '../live/live-machine.js';
import { subjectPlan } from '../live/live-plan.js';
import { SessionReader } from '../live/log/session-reader.js';
import { Replay } from '../live/replay.js';
import { SessionFrames } from '../live/session-frames.js';
import { sessionResult } from '../live/session-result.js';
import { sessionText } from '../live/session-text.js';
import { LatencyRecorder } from '../machine/latency.js';
import { readCaptures } from '../machine/read-captures.js';
import { jsonDocument } from '../report/json-document.js';
import { OutputFolder } from '../report/output-folder.js';
import { RunTrace } from '../report/run-trace.js';
import type { TraceArguments } from '../report/timeline-writer.js';
import { checkScenario } from '../scenario/load.js';
import type { Scenario } from '../scenario/schema.js';
import { UsageError } from './cli-io.js';
import type { CommandAction, GivenOptions } from './commands/entry.js';
import { parseDuration } from './duration.js';
import { Interruption } from './interruption.js';
import { text, wholeNumber } from './options.js';
import { filePath, folderPath } from './output-paths.js';
import { ProgressLine } from './progress.js';

/** Inputs that are played before a key press is listened for. */
const STEP = 2000;
/** How much of a session a timeline shows unless told otherwise, ns. */
const TRACE_NS = 5_000_000;

/** `cdna-nic replay`: a recorded session in virtual time. */
export const replayAction: CommandAction = async ([path], options, io) => {
  if (path === undefined)
    throw new UsageError('session is missing, expected a file that serve --record wrote');
  const wanted = wantedOutputs(options);
  const reader = new SessionReader(path);
  const interruption = new Interruption();
  const progress = new ProgressLine(io);
  let outputs: ReplayOutputs | undefined;
  interruption.listen();
  try {
    const { header } = reader;
    const scenario = checkScenario(header.scenario, path);
    const captures = await readCaptures(
      scenario.guests.map(({ traffic }) => traffic),
      header.directory,
    );
    const replay = new Replay(path, reader);
    const latencies: LatencyRecorder[] = [];
    const machine = new LiveMachine({
      ...subjectPlan({ ...header, scenario, captures }),
      makeRam: replay.makeRam,
      sent: (guest, bytes, offset, length, postedNs, endNs) => {
        latencies[guest] ??= new LatencyRecorder();
        latencies[guest].record(endNs - postedNs);
        outputs?.frames?.sent(guest, bytes, offset, length, postedNs);
      },
    });
    const { protection, discipline, seed } = header;
    outputs = new ReplayOutputs(wanted, machine, { protection, discipline, seed, scenario: path });
    while (replay.advance(machine, STEP)) {
      progress.show(`${(machine.kernel.nowNs / 1e9).toFixed(1)} s of the session`);
      await interruption.breathe();
    }
    if (!replay.cutOff) machine.checkInvariants();
    const end = replay.end(machine);
    const result = sessionResult(machine, (guest) => latencies[guest]?.summary());
    const written = outputs.finish(scenario);
    progress.clear();
    const identical = end.recorded === undefined ? undefined : end.recorded === end.fingerprint;
    const trailer = [verdictOf(end), ...written.map((file) => `wrote ${file}`), ''].join('\n');
    if (options.json === true) {
      io.out(jsonDocument('replay', { ...result, identical, inputs: end.inputs, reads: end.reads }));
      io.err(trailer);
    } else io.out(`${sessionText(result)}\n${trailer}`);
    return identical === false ? 1 : 0;
  } catch (error) {
    outputs?.abort();
    throw error;
  } finally {
    progress.clear();
    interruption.close();
    reader.close();
  }
};

/** Files that a replay writes besides what it prints. */
interface WantedOutputs {
  readonly pcapng: string | undefined;
  readonly trace: string | undefined;
  readonly framesFolder: string | undefined;
  readonly snapBytes: number | undefined;
  readonly traceNs: number;
}

/** @throws UsageError */
function wantedOutputs(options: GivenOptions): WantedOutputs {
  const traceDuration = text(options.traceDuration);
  return {
    pcapng: filePath('--pcapng', options.pcapng),
    trace: filePath('--trace', options.trace),
    framesFolder: folderPath('--frames', options.frames),
    snapBytes: wholeNumber('--snap', text(options.snap), 14, 262_144),
    traceNs: traceDuration === undefined ? TRACE_NS : parseDuration('--trace-duration', traceDuration),
  };
}

/** The files of a replay while it goes on: all of them appear at its end, or none. */
class ReplayOutputs {
  readonly frames: SessionFrames | undefined;
  readonly #wanted: WantedOutputs;
  readonly #capture: LiveCapture | undefined;
  readonly #timeline: RunTrace | undefined;
  readonly #undo: (() => void)[] = [];

  /** @param about facts of the session, for the timeline */
  constructor(wanted: WantedOutputs, machine: LiveMachine, about: TraceArguments) {
    this.#wanted = wanted;
    const { framesFolder, pcapng, trace, snapBytes, traceNs } = wanted;
    try {
      if (framesFolder !== undefined) {
        const folder = new OutputFolder(framesFolder);
        this.frames = new SessionFrames(machine);
        this.#undo.push(() => folder.remove());
      }
      if (pcapng !== undefined) {
        const capture = new LiveCapture(pcapng, machine, snapBytes);
        this.#capture = capture;
        this.#undo.push(() => capture.abort());
      }
      if (trace !== undefined) {
        const timeline = new RunTrace(trace, machine.machine, traceNs, about);
        this.#timeline = timeline;
        this.#undo.push(() => timeline.abort());
      }
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  /** Completes the files and returns their paths. @throws OutputFileError */
  finish(scenario: Scenario): string[] {
    const { framesFolder, pcapng, trace } = this.#wanted;
    const written: string[] = [];
    if (this.#capture !== undefined && pcapng !== undefined) {
      this.#capture.close();
      written.push(pcapng);
    }
    if (this.#timeline !== undefined && trace !== undefined) {
      this.#timeline.finish();
      this.#timeline.close();
      written.push(trace);
    }
    if (this.frames !== undefined && framesFolder !== undefined) {
      const replayed = this.frames.write(framesFolder, scenario);
      const target = join(framesFolder, 'scenario.json');
      writeFileSync(target, `${JSON.stringify(replayed, undefined, 2)}\n`);
      written.push(target);
    }
    return written;
  }

  /** Leaves nothing behind. */
  abort(): void {
    for (const action of this.#undo) action();
  }
}

/** How a replay compares with what was recorded, in a line. */
function verdictOf({ recorded, fingerprint, inputs, reads }: ReturnType<Replay['end']>): string {
  const verdict =
    recorded === undefined
      ? 'the log ends without a fingerprint (the server was killed); up to there the replay agrees in every read'
      : recorded === fingerprint
        ? `replayed to the bit: fingerprint ${fingerprint}`
        : `the replay departs: fingerprint ${fingerprint}, expected ${recorded}`;
  return `${verdict}; ${inputs.toLocaleString('en-US')} inputs, ${reads.toLocaleString('en-US')} reads of guests' memory`;
}
