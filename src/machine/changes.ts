import type { Balloon } from '../../host/balloon/balloon.js';
import type { Host } from '../../host/host.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import { type ContextId, NO_CONTEXT } from '../../scheduler/branded.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import { present } from '../../scheduler/present.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import { CHANGED, type ChangeSpec } from '../scenario/schema.js';

/** A guest as changes see it. */
interface ChangingGuest {
  readonly name: string;
  readonly domain: Domain;
  readonly port: Pick<GuestPort, 'context'>;
}

/** A machine as changes see it. */
export interface ChangingMachine {
  readonly kernel: EventKernel;
  readonly host: Pick<Host, 'processor' | 'hypervisor'>;
  readonly guests: readonly ChangingGuest[];
  readonly balloon: Balloon | undefined;
  /** The traffic of the change of this number takes the place of what its guest sends. */
  changeTraffic(change: number): void;
  /** The wire has another rate from now on. */
  changeRate(rateBps: number): void;
}

/** Told of a change: the guest's context, none for the wire's rate, and which field has which value, as one number and as the scenario has it. */
export type ChangeListener = (atNs: number, context: ContextId, detail: number, change: ChangeSpec) => void;

/** Values are below 2^44: a limit is at most 10^13. */
const CODE_UNIT = 2 ** 44;

/**
 * Schedules the changes of a scenario. A change of a share is the hypervisor's work: it runs on its core, pays for the
 * registers that it writes, and takes effect when it has written them. Guests behind a driver domain have no context of
 * their own, so their shares do not change anything there. The wire's rate changes by itself, at the card and then at the far end.
 * @throws ScenarioError when a change names a guest that does not exist.
 */
export function scheduleChanges(
  machine: ChangingMachine,
  changes: readonly ChangeSpec[],
  listener: ChangeListener | undefined,
): void {
  if (changes.length === 0) return;
  const { host, kernel } = machine;
  const { processor, hypervisor } = host;
  const guests = changes.map(({ guest }, index) =>
    guest === undefined ? undefined : guestOf(machine, guest, `changes[${index}].guest`),
  );
  const carryOut = (index: number) => {
    const change = changes[index];
    const guest = guests[index];
    if (change === undefined) throw new InvariantViolation(`there is no change ${index}`);
    if (guest === undefined) machine.changeRate(present(change.rateBps));
    else if (change.traffic === undefined) apply(machine, guest, change);
    else machine.changeTraffic(index);
    listener?.(kernel.nowNs, guest?.port.context ?? NO_CONTEXT, detailOf(change), change);
  };
  const due = kernel.register('machine.change', (index) => {
    const { traffic, rateBps } = changes[index] ?? {};
    // What a guest sends and what the wire carries is no business of the hypervisor's.
    if (traffic !== undefined || rateBps !== undefined) carryOut(index);
    else processor.post(hypervisor.account, carryOut, index);
  });
  for (const [index, { atNs }] of changes.entries())
    kernel.scheduleAt(Math.max(atNs, kernel.nowNs), due, index);
}

function apply(machine: ChangingMachine, guest: ChangingGuest, change: ChangeSpec): void {
  const { hypervisor } = machine.host;
  const { context } = guest.port;
  if (change.weight !== undefined) hypervisor.setWeight(context, change.weight);
  if (change.limitBps !== undefined) hypervisor.setLimit(context, change.limitBps ?? undefined);
  if (change.priority !== undefined) hypervisor.setPriority(context, change.priority);
  if (change.balloon !== undefined) machine.balloon?.ask(guest.domain, change.balloon);
}

function guestOf({ guests }: ChangingMachine, name: string, field: string): ChangingGuest {
  const guest = guests.find((candidate) => candidate.name === name);
  if (guest !== undefined) return guest;
  const names = guests.map((candidate) => candidate.name).join(', ');
  throw new ScenarioError(`${field} is "${name}", expected the name of a guest: ${names}`);
}

/** The field and its value as one number, for the fingerprint. */
function detailOf(change: ChangeSpec): number {
  const code = CHANGED.findIndex((field) => change[field] !== undefined);
  const field = CHANGED[code];
  // The frames themselves tell more.
  if (field === 'traffic') return code * CODE_UNIT;
  // 0: a limit that is lifted.
  return code * CODE_UNIT + (field === undefined ? 0 : (change[field] ?? 0));
}
