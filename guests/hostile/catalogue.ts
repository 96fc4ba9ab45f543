import type { Attack } from './attack.js';
import { CARD_ATTACKS } from './attacks/cards.js';
import { DESCRIPTOR_ATTACKS } from './attacks/descriptors.js';
import { LIFETIME_ATTACKS } from './attacks/lifetimes.js';
import { REGISTER_ATTACKS } from './attacks/registers.js';
import { SERVICE_ATTACKS } from './attacks/services.js';
import { UNIT_ATTACKS } from './attacks/units.js';

/** Every attack, in the order in which a matrix shows them. */
export const ATTACKS: readonly Attack[] = [
  ...DESCRIPTOR_ATTACKS,
  ...LIFETIME_ATTACKS,
  ...REGISTER_ATTACKS,
  ...SERVICE_ATTACKS,
  ...CARD_ATTACKS,
  ...UNIT_ATTACKS,
];
