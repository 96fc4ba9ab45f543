export type { Attack, Attacker, NotApplicable, StageOptions, Target } from './attack.js';
export { AttackScenario, type AttackScenarioParts, DROP_MAC, type Victim } from './attack-scenario.js';
export { VICTIM_FRAME_BYTES } from './attacks/cards.js';
export { ATTACKS } from './catalogue.js';
export { HostileGuest, type StoppedEarly } from './hostile-guest.js';
export { NotPlayable } from './not-playable.js';
export type { NamedBuffer, RawRing, Way } from './raw-ring.js';
export { RogueDevice } from './rogue-device.js';
export { ControlStructure, contains, Secret, type Stake, tagged, tagOf } from './stakes.js';
