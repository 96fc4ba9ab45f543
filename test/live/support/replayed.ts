import { LiveMachine } from '../../../src/live/live-machine.js';
import { subjectPlan } from '../../../src/live/live-plan.js';
import { SessionReader } from '../../../src/live/log/session-reader.js';
import { Replay } from '../../../src/live/replay.js';
import { checkScenario } from '../../../src/scenario/load.js';

/** A recorded session, played again to its end. */
export function replayed(path: string): { replay: Replay; machine: LiveMachine } {
  const reader = new SessionReader(path);
  const replay = new Replay(path, reader);
  const machine = new LiveMachine({
    ...subjectPlan({
      ...reader.header,
      scenario: checkScenario(reader.header.scenario),
      captures: new Map(),
    }),
    makeRam: replay.makeRam,
  });
  while (replay.advance(machine, 10));
  reader.close();
  return { replay, machine };
}
