import type { LinkPartner } from '../../guests/link-partner.js';
import type { Host } from '../../host/host.js';
import { TRAFFIC_CLASSES } from '../../nic/pfc-frame.js';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import type { GuestSpec, Scenario } from '../scenario/schema.js';

/** A machine as flow control sees it. */
interface FlowControlledMachine {
  readonly kernel: EventKernel;
  readonly host: Pick<Host, 'nic'>;
  readonly partner: Pick<LinkPartner, 'pauseClasses' | 'pauses'>;
}

/** What priority flow control did for one traffic class. */
export interface FlowControlCounts {
  /** Frames of flow control that named the class: from the card, and from the far end. */
  readonly framesSent: number;
  readonly framesReceived: number;
  /** Time for which its contexts were paused, ns; and for which it was paused at the far end. */
  readonly pausedNs: number;
  readonly farEndPausedNs: number;
}

/** The same in a result, with the class that it is about. */
export interface FlowControlResult extends FlowControlCounts {
  readonly trafficClass: number;
  /** The most bytes of the card's receive buffer that its frames took, warm-up included. */
  readonly mostReceiveBytes: number;
}

/** Numbers of the guests of a traffic class: a guest that names none is of class 0. */
export function guestsOfClass(
  guests: readonly { readonly spec: Pick<GuestSpec, 'trafficClass'> }[],
  trafficClass: number,
): number[] {
  return guests.flatMap(({ spec: { trafficClass: own = 0 } }, number) =>
    own === trafficClass ? [number] : [],
  );
}

/** The classes of a mask. */
function classesOf(mask: number): number[] {
  return Array.from({ length: TRAFFIC_CLASSES }, (_, index) => index).filter(
    (index) => (mask & (1 << index)) !== 0,
  );
}

/**
 * Schedules the pauses that the far end of a scenario asks for.
 * @throws ScenarioError when it names a class without flow control.
 */
export function schedulePauses({ kernel, partner }: FlowControlledMachine, { link, nic }: Scenario): void {
  const pauses = link?.pauses ?? [];
  const classes = nic?.pfcClasses === undefined ? [] : classesOf(nic.pfcClasses);
  for (const [index, { trafficClass }] of pauses.entries()) {
    if (classes.includes(trafficClass)) continue;
    const expected = classes.length === 0 ? 'none: there are none' : classes.join(', ');
    throw new ScenarioError(
      `link.pauses[${index}].trafficClass is ${trafficClass}, expected a class with flow control (nic.pfcClasses): ${expected}`,
    );
  }
  if (pauses.length === 0) return;
  const ask = kernel.register('machine.pause', (trafficClass, quanta) =>
    partner.pauseClasses(oneOf(trafficClass, quanta)),
  );
  for (const { atNs, trafficClass, quanta } of pauses)
    kernel.scheduleAt(Math.max(atNs, kernel.nowNs), ask, trafficClass, quanta);
}

function oneOf(trafficClass: number, quanta: number): (number | undefined)[] {
  return Array.from({ length: TRAFFIC_CLASSES }, (_, index) => (index === trafficClass ? quanta : undefined));
}

/** What had been counted at one moment, for each class with flow control. */
export function flowControlCounts({ host, partner }: FlowControlledMachine): FlowControlCounts[] {
  const { flowControl, parameters } = host.nic;
  if (flowControl === undefined) return [];
  return classesOf(parameters.pfcClasses).map((trafficClass) => ({
    framesSent: flowControl.sent(trafficClass),
    framesReceived: flowControl.received(trafficClass),
    pausedNs: flowControl.pausedNs(trafficClass),
    farEndPausedNs: partner.pauses?.pausedNs(trafficClass) ?? 0, // 0: a far end without queues by class obeys none
  }));
}

/** What was counted in the window, as a result has it: nothing where no class has flow control. */
export function flowControlFigures(
  { host }: FlowControlledMachine,
  counts: readonly FlowControlCounts[],
): { readonly flowControl?: readonly FlowControlResult[] } {
  const { flowControl, parameters } = host.nic;
  if (flowControl === undefined) return {};
  const results = classesOf(parameters.pfcClasses).flatMap((trafficClass, index) => {
    const counted = counts[index];
    if (counted === undefined) return [];
    return [{ trafficClass, ...counted, mostReceiveBytes: flowControl.mostReceiveBytes(trafficClass) }];
  });
  return { flowControl: results };
}
