import { type ContextId, contextId } from '../../scheduler/branded.js';
import type { Discipline, Share } from '../../scheduler/discipline.js';
import { ParameterError } from '../../scheduler/errors.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import type { ChangeSpec, Scenario } from '../scenario/schema.js';
import { shareOf } from './entitlements.js';
import { expandGuests } from './expand-guests.js';

/**
 * Plays the changes of a scenario on a discipline without frames, in the order of their times, so that a share that the
 * discipline refuses is refused before the run and not in the middle of it.
 * @throws ScenarioError that names the change.
 */
export function rehearseChanges(scenario: Scenario, make: () => Discipline): void {
  const changes = [...(scenario.changes ?? []).entries()].filter(
    ([, change]) => changedShare(change) !== undefined,
  );
  if (changes.length === 0) return;
  const discipline = make();
  const guests = expandGuests(scenario.guests);
  const shares = guests.map(({ spec }) => shareOf(scenario, spec));
  for (const [number, share] of shares.entries()) discipline.join(contextId(number), share);
  for (const [index, change] of changes.toSorted(([, one], [, other]) => one.atNs - other.atNs)) {
    const number = guests.findIndex(({ name }) => name === change.guest);
    const before = shares[number];
    const changed = changedShare(change);
    // A guest that does not exist is refused by name where changes are scheduled.
    if (before === undefined || changed === undefined) continue;
    const [field, value] = changed;
    const share = { ...before, [field]: value };
    shares[number] = share;
    const context = contextId(number);
    discipline.leave(context, change.atNs);
    join(discipline, context, share, `changes[${index}].${field} is ${String(value)}`);
  }
}

function join(discipline: Discipline, context: ContextId, share: Share, what: string): void {
  try {
    discipline.join(context, share);
  } catch (error) {
    if (error instanceof ParameterError) throw new ScenarioError(`${what}: ${error.message}`);
    throw error;
  }
}

/** The field of a share that a change changes, with its new value; undefined for a change of anything else. */
function changedShare({
  weight,
  limitBps,
  priority,
}: ChangeSpec): [keyof Share, number | undefined] | undefined {
  if (weight !== undefined) return ['weight', weight];
  if (limitBps !== undefined) return ['limitBps', limitBps ?? undefined];
  return priority === undefined ? undefined : ['priority', priority];
}
