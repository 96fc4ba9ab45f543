/** The machine on which attacks are played, whatever scenario they stand beside. */
export const RATE_BPS = 1e9;
export const MEMORY_BYTES = 64 * 2 ** 20;

/** The same in a few words. */
export const ATTACK_MACHINE = `two guests, ${MEMORY_BYTES / 2 ** 20} MB, one port of ${RATE_BPS / 1e9} Gb/s`;

/** Stands beside counts of attacks on pages that are about another machine. */
export const ATTACK_MACHINE_TEXT = `The attacks ran on a machine of their own (${ATTACK_MACHINE}), not on that of the scenario.`;
