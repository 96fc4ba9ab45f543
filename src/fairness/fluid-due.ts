import { present } from '../../scheduler/present.js';
import { FluidReference } from '../machine/fluid-reference.js';
import type { Workload } from './workload.js';

/**
 * What each context of a workload is due: the service of a fluid link that gets the same events.
 *
 * @returns bytes of the wire, a row per window (all of equal length), a column per context.
 */
export function fluidDue(workload: Workload, windows: number): Float64Array[] {
  const { contenders, events, linkBps, durationNs } = workload;
  const fluid = new FluidReference(
    contenders.map(({ share }) => share.weight),
    linkBps,
  );
  const rows: Float64Array[] = [];
  let before = fluid.served();
  let next = 0;
  for (let window = 1; window <= windows; window += 1) {
    const untilNs = (durationNs * window) / windows;
    for (let event = events[next]; event !== undefined && event.atNs < untilNs; event = events[next]) {
      next += 1;
      const { kind, context, bytes, atNs } = event;
      if (kind === 'arrive') fluid.arrived(context, bytes, atNs);
      else if (kind === 'begin') fluid.wants(context, atNs);
      else fluid.withdraw(context, atNs);
    }
    fluid.advance(untilNs);
    const served = fluid.served();
    rows.push(served.map((bytes, context) => bytes - present(before[context])));
    before = served;
  }
  return rows;
}
