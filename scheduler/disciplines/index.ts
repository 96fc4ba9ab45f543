import type { Discipline } from '../discipline.js';
import { DeficitRoundRobin } from './deficit-round-robin.js';
import { FifoDrain } from './fifo-drain.js';
import { PacketRoundRobin } from './packet-round-robin.js';

export { DEFAULT_QUANTUM_BYTES, DeficitRoundRobin } from './deficit-round-robin.js';
export { FifoDrain } from './fifo-drain.js';
export { PacketRoundRobin } from './packet-round-robin.js';

/** What a discipline may be told when it is made; each takes what it understands. */
export interface DisciplineOptions {
  /** Bytes that a visit grants a weight of 1 (drr). @defaultValue 1514 */
  readonly quantumBytes?: number;
}

/** One discipline as a list shows it. */
export interface DisciplineEntry {
  readonly name: string;
  /** One line. */
  readonly meaning: string;
  /** Whether shares follow weights. */
  readonly weighted: boolean;
  readonly make: (options: DisciplineOptions) => Discipline;
}

/** Every discipline that `makeDiscipline` knows. */
export const DISCIPLINES: readonly DisciplineEntry[] = [
  {
    name: 'fifo',
    meaning: 'whoever rang first is served until its ring is empty; starves the rest',
    weighted: false,
    make: () => new FifoDrain(),
  },
  {
    name: 'prr',
    meaning: 'packet round robin: one frame a visit, whatever its size',
    weighted: false,
    make: () => new PacketRoundRobin(),
  },
  {
    name: 'drr',
    meaning: 'deficit round robin: bytes a visit by weight, what is left carries over',
    weighted: true,
    make: (options) => new DeficitRoundRobin(options),
  },
];

/** Makes a discipline by its name. @throws RangeError, with the names there are, for any other. */
export function makeDiscipline(name: string, options: DisciplineOptions = {}): Discipline {
  const entry = DISCIPLINES.find((candidate) => candidate.name === name);
  if (entry === undefined) {
    const known = DISCIPLINES.map((candidate) => candidate.name).join(', ');
    throw new RangeError(`discipline is "${name}", expected one of: ${known}`);
  }
  return entry.make(options);
}
