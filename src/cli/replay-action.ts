import { LiveMachine } from '../live/live-machine.js';
import { subjectPlan } from '../live/live-plan.js';
import { sessionDurationNs } from '../live/log/session-duration.js';
import { SessionReader } from '../live/log/session-reader.js';
import { Replay, type ReplayEnd } from '../live/replay.js';
import { type SessionJson, sessionGuests, sessionMappings } from '../live/session-result.js';
import { SessionRun } from '../live/session-run.js';
import { sessionText } from '../live/session-text.js';
import { readCaptures } from '../machine/read-captures.js';
import type { RunResult } from '../machine/run-result.js';
import { jsonDocument } from '../report/json-document.js';
import { withoutPooledLatency } from '../report/pooled-latency.js';
import type { RunHeading } from '../report/run-heading.js';
import { runText } from '../report/run-text.js';
import { checkScenario } from '../scenario/load.js';
import { type CliIo, type ExitCode, UsageError } from './cli-io.js';
import type { CommandAction, GivenOptions } from './commands/entry.js';
import { Interruption } from './interruption.js';
import { pipingCapture } from './piped-capture.js';
import { ProgressLine } from './progress.js';
import { againLine, commandLine } from './repeat-line.js';
import { ReplayFiles, wantedFiles } from './replay-files.js';
import { brokenLines, fileLines } from './run-report.js';

/** Inputs that are played before a key press is listened for. */
const STEP = 2000;

/** `cdna-nic replay`: a recorded session in virtual time, with every report that a run has. */
export const replayAction: CommandAction = async ([path], options, io) => {
  if (path === undefined)
    throw new UsageError('session is missing, expected a file that serve --record wrote');
  return pipingCapture(options, io, (given, to) => replay(path, given, to));
};

/** A session that was played to its end. */
interface Played {
  readonly heading: RunHeading;
  readonly result: RunResult;
  readonly end: ReplayEnd;
  readonly session: SessionJson;
  readonly notes: readonly string[];
}

async function replay(path: string, options: GivenOptions, io: CliIo): Promise<ExitCode> {
  const wanted = wantedFiles(options);
  const durationNs = sessionDurationNs(path);
  const reader = new SessionReader(path);
  const interruption = new Interruption();
  const progress = new ProgressLine(io);
  let files: ReplayFiles | undefined;
  interruption.listen();
  try {
    files = new ReplayFiles(wanted, reader.header.protection);
    const repeat = commandLine([io.program, 'replay', path]);
    const played = await play(path, reader, files, repeat, durationNs, async (nowNs) => {
      progress.show(`replay ${Math.floor((nowNs * 100) / Math.max(1, durationNs))} %`);
      await interruption.breathe();
    });
    const document = documentOf(played, repeat);
    const written = await files.finish(played.heading, played.result, repeat, document);
    progress.clear();
    const { heading, result, end, session, notes } = played;
    const broken = brokenLines([result]);
    const trailer = [
      ...notes.map((note) => `note: ${note}`),
      ...broken,
      verdictOf(end),
      ...fileLines(written),
      againLine(repeat, options),
    ];
    if (options.json === true) {
      io.out(document);
      io.err(`${trailer.join('\n')}\n`);
    } else {
      const text = [runText(heading, result), '', sessionText(session, result.durationNs), '', ...trailer];
      io.out(`${text.join('\n')}\n`);
    }
    return session.identical === false || broken.length > 0 ? 1 : 0;
  } catch (error) {
    files?.abort();
    throw error;
  } finally {
    progress.clear();
    interruption.close();
    reader.close();
  }
}

/** Plays a session to its end. @param pause told of the virtual time now and then; throws when the replay is to end */
async function play(
  path: string,
  reader: SessionReader,
  files: ReplayFiles,
  repeat: string,
  durationNs: number,
  pause: (nowNs: number) => Promise<void>,
): Promise<Played> {
  const { header } = reader;
  const scenario = checkScenario(header.scenario, path);
  const { directory, protection, discipline, seed } = header;
  const captures = await readCaptures(
    scenario.guests.map(({ traffic }) => traffic),
    directory,
  );
  const subject = { scenario, directory, captures, protection, discipline, seed };
  const run = new SessionRun(subject, durationNs);
  const replayed = new Replay(path, reader);
  const machine = new LiveMachine({
    ...subjectPlan(subject),
    makeRam: replayed.makeRam,
    observer: run.observer,
    sent: (guest, bytes, offset, length, postedNs) => files.sent(guest, bytes, offset, length, postedNs),
  });
  run.begin(machine);
  files.watch(machine, { tool: 'cdna-nic', protection, discipline, seed, scenario: path, repeat });
  while (replayed.advance(machine, STEP)) {
    run.sample();
    files.check();
    await pause(machine.kernel.nowNs);
  }
  const end = replayed.end(machine);
  const { recorded, fingerprint, inputs, reads } = end;
  const identical = recorded === undefined ? null : recorded === fingerprint;
  const result = run.result(replayed.cutOff);
  return {
    heading: {
      loaded: { scenario, source: path },
      discipline,
      seed,
      warmUpNs: 0,
      isSession: true,
      durationNs: result.durationNs,
    },
    result,
    end,
    session: {
      identical,
      inputs,
      reads,
      mappingsPerFrame: sessionMappings(machine),
      guests: sessionGuests(machine),
    },
    notes: replayed.cutOff ? [CUT_OFF] : [],
  };
}

const CUT_OFF = 'the log ends in the middle of what the card was doing: invariants are not checked there';

/** What `run --json` prints, and the session. */
function documentOf({ heading, result, session, notes }: Played, repeat: string): string {
  const { scenario, source } = heading.loaded;
  return jsonDocument('replay', {
    repeat,
    seed: heading.seed,
    scenario: { source, ...scenario },
    notes,
    // What a real guest sends is its own affair: no two are taken to be alike.
    runs: [
      withoutPooledLatency(
        result,
        result.guests.map(({ name }) => ({ traffic: name })),
      ),
    ],
    session,
  });
}

/** How a replay compares with what was recorded, in a line. */
function verdictOf({ recorded, fingerprint, inputs, reads }: ReplayEnd): string {
  const verdict =
    recorded === undefined
      ? 'the log ends without a fingerprint (the server was killed); up to there the replay agrees in every read'
      : recorded === fingerprint
        ? `replayed to the bit: fingerprint ${fingerprint}`
        : `the replay departs: fingerprint ${fingerprint}, expected ${recorded}`;
  return `${verdict}; ${inputs.toLocaleString('en-US')} inputs, ${reads.toLocaleString('en-US')} reads of guests' memory`;
}
