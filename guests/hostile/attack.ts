import type { AttackScenario } from './attack-scenario.js';

/** The attacker: a guest with its driver, or the card. */
export type Attacker = 'guest' | 'card';

/** The target that is harmed if nothing stops the attack. */
export type Target = 'another guest' | 'the hypervisor' | 'the same guest' | 'service' | 'identity';

/** How the machine differs from the usual one. */
export interface StageOptions {
  /** @defaultValue 'drr' */
  readonly discipline?: string;
  /** Frames between contexts stay inside the card. @defaultValue false */
  readonly switching?: boolean;
  /** Guests with an open port that do nothing, between attacker and victim. @defaultValue 0 */
  readonly bystanders?: number;
  /** How long the run is in all, ns. @defaultValue 8 ms */
  readonly lastsNs?: number;
}

/** A script cannot be played: there is nothing of the kind that it attacks. */
export interface NotApplicable {
  readonly notApplicable: string;
}

/** An attack as a script against what every guest is given, or, for the card, against the bus. */
export interface Attack {
  /** As the command line spells it. */
  readonly name: string;
  /** What is done, in one sentence. */
  readonly meaning: string;
  readonly by: Attacker;
  readonly target: Target;
  readonly stage?: StageOptions;
  /**
   * Plays it. Time advances only when the script advances it; what is still under way when it returns gets time to end.
   */
  readonly play: (scene: AttackScenario) => NotApplicable | undefined;
}

/** Makes a script of a function that can always be played. */
export function always(script: (scene: AttackScenario) => void): Attack['play'] {
  return (scene) => {
    script(scene);
    return undefined;
  };
}
