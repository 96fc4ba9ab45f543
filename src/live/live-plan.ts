import { GuestDriven } from '../../host/protection/iommu/guest-driven/guest-driven.js';
import { GUEST_DRIVEN } from '../../host/protection/iommu/guest-driven/name.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import { disciplineOf } from '../machine/entitlements.js';
import { approachOptions, protectionOf } from '../machine/protection.js';
import type { CaptureStore } from '../machine/traffic.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import type { Scenario } from '../scenario/schema.js';
import type { LiveMachinePlan } from './live-machine.js';

/** What a session is of: with its log, all that it depends on. */
export interface SessionSubject {
  readonly scenario: Scenario;
  readonly directory: string;
  readonly captures: CaptureStore;
  readonly protection: string;
  readonly discipline: string;
  readonly seed: number;
}

/** RAM of a real guest, MB, at most: QEMU's q35 puts what is above this elsewhere, and addresses are not offsets then. */
const MOST_MEGABYTES = 2048;

/** A real guest's name is that of its socket, its RAM file and its capture, and stands in options of QEMU. */
const FILE_NAME = /^\w[\w.-]*$/u;
/** The socket of the way out has this name. */
export const UPLINK = 'uplink';

/** Makes the approach of a session: any that there is, and the one that real guests drive. @throws ParameterError */
export function liveProtectionOf(name: string, scenario: Scenario): ProtectionPlan {
  return name === GUEST_DRIVEN ? new GuestDriven(approachOptions(scenario)) : protectionOf(name, scenario);
}

/** The part of a live machine's plan that the session decides. @throws ScenarioError, ParameterError */
export function subjectPlan(
  subject: SessionSubject,
): Pick<LiveMachinePlan, 'scenario' | 'directory' | 'captures' | 'seed' | 'protection' | 'makeDiscipline'> {
  const { scenario, directory, captures, seed, protection, discipline } = subject;
  const attached = scenario.guests.filter((guest) => guest.attached === true);
  if (attached.length === 0)
    throw new ScenarioError('guests: none has "attached": true, expected at least one real guest');
  for (const { name, memoryMegabytes } of attached) {
    if (name !== undefined && (!FILE_NAME.test(name) || name === UPLINK))
      throw new ScenarioError(
        `guests: a real one is named "${name}", expected letters, digits, "_", "." and "-", and not "${UPLINK}": files are named after it`,
      );
    if (memoryMegabytes > MOST_MEGABYTES)
      throw new ScenarioError(
        `${name ?? 'guest'}.memoryMegabytes is ${memoryMegabytes}, expected at most ${MOST_MEGABYTES} for a real guest`,
      );
  }
  if (protection === GUEST_DRIVEN) requireOwnIommus(scenario);
  return {
    scenario,
    directory,
    captures,
    seed,
    protection: liveProtectionOf(protection, scenario),
    makeDiscipline: disciplineOf(scenario, discipline),
  };
}

/** @throws ScenarioError for guests that have no IOMMU of their own. */
function requireOwnIommus({ guests }: Scenario): void {
  const emulated = guests.findIndex(({ attached }) => attached !== true);
  if (emulated >= 0)
    throw new ScenarioError(
      `${guests[emulated]?.name ?? `guests[${emulated}]`}.attached is false, expected true under ${GUEST_DRIVEN}: only a real guest has an IOMMU of its own`,
    );
}
