import { captureNotes } from '../../guests/capture/index.js';
import { TrafficError } from '../../guests/traffic/index.js';
import { approachOptions } from '../machine/protection.js';
import { Run, type RunResult } from '../machine/run.js';
import { readCaptures } from '../machine/traffic.js';
import { formatRunDocument } from '../report/run-document.js';
import { isRandom, NOTHING_RANDOM } from '../scenario/randomness.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import type { CliIo } from './cli-io.js';
import { Interruption } from './interruption.js';
import { ProgressLine } from './progress.js';
import { repeatLine } from './repeat-line.js';
import { RunOutputs, type WrittenFile } from './run-outputs.js';
import type { RunRequest } from './run-request.js';

/** What came of a request. */
export interface Execution {
  readonly results: readonly RunResult[];
  readonly files: readonly WrittenFile[];
  /** The JSON document: what --json prints and what lies in the folder of --out. */
  readonly document: string;
  readonly repeat: string;
  /** What the user should know of the captures that were read. */
  readonly notes: readonly string[];
}

/** Runs a scenario under each approach that was asked for. Either every file of it appears, or none. */
export async function execute(request: RunRequest, io: CliIo): Promise<Execution> {
  const { loaded, approaches, discipline, modules, seed, warmUpNs, durationNs } = request;
  const { scenario, directory } = loaded;
  const specs = scenario.guests.map(({ traffic }) => traffic);
  const captures = await readCaptures(specs, directory, warmUpNs + durationNs);
  const notes = [
    ...[...captures.values()].flatMap(captureNotes),
    ...(isRandom(scenario) ? [] : [NOTHING_RANDOM]),
  ];
  const interruption = new Interruption();
  const progress = new ProgressLine(io);
  const outputs = new RunOutputs(request);
  interruption.listen();
  try {
    const results: RunResult[] = [];
    for (const [index, approach] of approaches.entries()) {
      let finish = () => {};
      const run = inScenario(
        loaded.source,
        () =>
          new Run({
            scenario,
            directory,
            captures,
            protection: modules.protection(approach, approachOptions(scenario)),
            discipline: modules.discipline(discipline),
            seed,
            warmUpNs,
            durationNs,
            prepare: (machine) => {
              finish = outputs.watch(approach, machine);
            },
          }),
      );
      while (!run.done) {
        const fraction = run.advance();
        outputs.check();
        progress.show(`${index + 1}/${approaches.length} ${approach} ${Math.round(fraction * 100)} %`);
        await interruption.breathe();
      }
      results.push(run.result());
      finish();
    }
    const repeat = repeatLine(request, io.program);
    const document = formatRunDocument({
      command: request.command,
      repeat,
      seed,
      scenario,
      source: loaded.source,
      notes,
      results,
    });
    outputs.document(document);
    if (request.command === 'compare' && request.out !== undefined) {
      progress.show('drawing the report');
      // What draws is large, and not loaded without a report to draw.
      const { comparePage } = await import('../report/compare/compare-page.js');
      outputs.page(comparePage(request, results, repeat));
    }
    return { results, files: outputs.commit(), document, repeat, notes };
  } catch (error) {
    outputs.abort();
    throw error;
  } finally {
    progress.clear();
    interruption.close();
  }
}

/** What a machine refuses to be built from stands in the scenario's file: the message says so. */
function inScenario<T>(source: string, build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (!(error instanceof ScenarioError || error instanceof TrafficError)) throw error;
    throw new ScenarioError(`${source}: ${error.message}`);
  }
}
