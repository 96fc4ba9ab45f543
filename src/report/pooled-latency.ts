import type { RunResult } from '../machine/run-result.js';

/** What decides how much a guest sends and gets, as far as a document needs to know: two guests with the same are alike. */
export interface GuestLoad {
  readonly count?: number | undefined;
  readonly weight?: number | undefined;
  readonly traffic?: unknown;
  readonly receive?: unknown;
}

/** Whether all guests send, and are sent, the same by the scenario. */
function areAlike(guests: readonly GuestLoad[]): boolean {
  return (
    new Set(guests.map(({ weight, traffic, receive }) => JSON.stringify([weight, traffic, receive]))).size <=
    1
  );
}

/**
 * A run as a document has it. Percentiles over guests with different load are those of none of them, so what a run says
 * of all guests together is left out unless all have the same load; `guests[]` has each guest's own.
 */
export function withoutPooledLatency(run: RunResult, guests: readonly GuestLoad[]): RunResult {
  if (areAlike(guests)) return run;
  return {
    ...run,
    latencyNs: { transmit: undefined, receive: undefined },
    latencyCurves: { transmit: [], receive: [] },
  };
}
