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
import { checkScenario } from '../scenario/load.js';
import { UsageError } from './cli-io.js';
import type { CommandAction } from './commands/entry.js';
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
  const pcapng = filePath('--pcapng', options.pcapng);
  const trace = filePath('--trace', options.trace);
  const framesFolder = folderPath('--frames', options.frames);
  const snapBytes = wholeNumber('--snap', text(options.snap), 14, 262_144);
  const traceDuration = text(options.traceDuration);
  const traceNs = traceDuration === undefined ? TRACE_NS : parseDuration('--trace-duration', traceDuration);
  const reader = new SessionReader(path);
  const interruption = new Interruption();
  const progress = new ProgressLine(io);
  const undo: (() => void)[] = [];
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
    let frames: SessionFrames | undefined;
    const machine = new LiveMachine({
      ...subjectPlan({ ...header, scenario, captures }),
      makeRam: replay.makeRam,
      sent: (guest, bytes, offset, length, postedNs, endNs) => {
        latencies[guest] ??= new LatencyRecorder();
        latencies[guest].record(endNs - postedNs);
        frames?.sent(guest, bytes, offset, length, postedNs);
      },
    });
    const folder = framesFolder === undefined ? undefined : new OutputFolder(framesFolder);
    if (folder !== undefined) {
      frames = new SessionFrames(machine);
      undo.push(() => folder.remove());
    }
    const capture = pcapng === undefined ? undefined : new LiveCapture(pcapng, machine, snapBytes);
    if (capture !== undefined) undo.push(() => capture.abort());
    const about = {
      protection: header.protection,
      discipline: header.discipline,
      seed: header.seed,
      scenario: path,
    };
    const timeline = trace === undefined ? undefined : new RunTrace(trace, machine.machine, traceNs, about);
    if (timeline !== undefined) undo.push(() => timeline.abort());
    while (replay.advance(machine, STEP)) {
      progress.show(`${(machine.kernel.nowNs / 1e9).toFixed(1)} s of the session`);
      await interruption.breathe();
    }
    if (!replay.cutOff) machine.checkInvariants();
    const end = replay.end(machine);
    const result = sessionResult(machine, (guest) => latencies[guest]?.summary());
    const written: string[] = [];
    if (capture !== undefined && pcapng !== undefined) {
      capture.close();
      written.push(pcapng);
    }
    if (timeline !== undefined && trace !== undefined) {
      timeline.finish();
      timeline.close();
      written.push(trace);
    }
    if (frames !== undefined && framesFolder !== undefined) {
      const replayed = frames.write(framesFolder, scenario);
      const target = join(framesFolder, 'scenario.json');
      writeFileSync(target, `${JSON.stringify(replayed, undefined, 2)}\n`);
      written.push(target);
    }
    progress.clear();
    const identical = end.recorded === undefined ? undefined : end.recorded === end.fingerprint;
    const verdict =
      identical === undefined
        ? `the log ends without a fingerprint (the server was killed); up to there the replay agrees in every read`
        : identical
          ? `replayed to the bit: fingerprint ${end.fingerprint}`
          : `the replay departs: fingerprint ${end.fingerprint}, expected ${end.recorded}`;
    const counted = `${end.inputs.toLocaleString('en-US')} inputs, ${end.reads.toLocaleString('en-US')} reads of guests' memory`;
    const trailer = [`${verdict}; ${counted}`, ...written.map((file) => `wrote ${file}`), ''].join('\n');
    if (options.json === true) {
      io.out(jsonDocument('replay', { ...result, identical, inputs: end.inputs, reads: end.reads }));
      io.err(trailer);
    } else io.out(`${sessionText(result)}\n${trailer}`);
    return identical === false ? 1 : 0;
  } catch (error) {
    for (const action of undo) action();
    throw error;
  } finally {
    progress.clear();
    interruption.close();
    reader.close();
  }
};
