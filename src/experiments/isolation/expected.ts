import { APPROACHES } from '../../../host/protection/approaches.js';
import { WIRE_OVERHEAD_BYTES } from '../../../nic/descriptor.js';
import { DEFAULT_NIC } from '../../../nic/parameters.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { powerOfTwoFrom } from '../../../scheduler/whole-logarithm.js';
import { HOSTILITIES } from './hostilities.js';
import { LINE_BPS, STEADY_BYTES } from './machine.js';

/** What a discipline says that a victim gets, whatever the others do. */
export interface DisciplinePromise {
  readonly discipline: string;
  /** The rate of a victim that asks for less than its share. */
  readonly keepsRate: boolean;
  /** Longest wait of a frame that comes to an empty queue, bytes of the link; undefined where none is said. */
  readonly waitBytes?: number;
  /** What it was told besides weights of 1. */
  readonly told: string;
}

const CONTEXTS = 3;
const QUANTUM = 1514;
const LARGEST = 9018;
const OWN = STEADY_BYTES;
/** Largest frames of the two others: the neighbour's, and that of a client whose requests are small. */
const OTHERS = LARGEST + 128;
const QUANTA = CONTEXTS * QUANTUM;

const drrWait = (QUANTA - QUANTUM) * (1 + (OWN - 1) / QUANTUM) + (OTHERS - 2) + OWN;
/** Smallest power of two, in 1/65,536 bytes, that is not below a frame of the victim's. */
const qfqSlot = powerOfTwoFrom(OWN);

const WEIGHTS = 'weights of 1';
/** Every discipline of the catalogue, and one of each composition; the waits are the bounds of docs/scheduling.md. */
export const DISCIPLINE_PROMISES: readonly DisciplinePromise[] = [
  { discipline: 'fifo', keepsRate: false, told: 'nothing' },
  { discipline: 'prr', keepsRate: false, told: 'nothing' },
  { discipline: 'wrr', keepsRate: false, told: WEIGHTS },
  { discipline: 'drr', keepsRate: true, waitBytes: drrWait, told: WEIGHTS },
  { discipline: 'srr', keepsRate: true, waitBytes: 2 * QUANTUM + OTHERS - 2 + OWN, told: WEIGHTS },
  { discipline: 'sfq', keepsRate: true, waitBytes: OTHERS + OWN, told: WEIGHTS },
  {
    discipline: 'scfq',
    keepsRate: true,
    waitBytes: CONTEXTS * OWN + (CONTEXTS - 1) * LARGEST,
    told: WEIGHTS,
  },
  // On a link that does not always carry the same counted bytes it promises nothing, and a wire does not.
  { discipline: 'wfq', keepsRate: false, told: WEIGHTS },
  {
    discipline: 'wf2q+',
    keepsRate: true,
    waitBytes: 2 * CONTEXTS * OWN + LARGEST - OWN,
    told: WEIGHTS,
  },
  {
    discipline: 'qfq',
    keepsRate: true,
    waitBytes: CONTEXTS * OWN + 3 * qfqSlot * CONTEXTS + 2 * LARGEST,
    told: WEIGHTS,
  },
  {
    discipline: 'priority',
    keepsRate: true,
    waitBytes: 2 * LARGEST,
    told: 'victims 0, neighbour 1',
  },
  { discipline: 'edf', keepsRate: false, told: 'victims 200 us, neighbour 2 ms' },
  {
    discipline: 'limited:drr',
    keepsRate: true,
    waitBytes: drrWait,
    told: 'neighbour at most 400 Mb/s',
  },
  { discipline: 'minimum:drr', keepsRate: true, told: 'victims at least 220 and 60 Mb/s' },
  { discipline: 'drr/drr', keepsRate: true, told: 'victims one tenant, neighbour the other' },
];

/** What is granted waits for all that was granted before: the FIFO behind the scheduler, us. */
const FIFO_US = micro(DEFAULT_NIC.transmitFifoBytes);
/** Where no wait is promised it is called borne up to the longest that any discipline promises. */
const BORNE_US = Math.max(...DISCIPLINE_PROMISES.map(({ waitBytes = 0 }) => micro(waitBytes)));
/** What sends nothing may cost a frame's time at most: a good neighbour's frame may be on the wire, and so it was before. */
export const SILENT_US = micro(STEADY_BYTES + WIRE_OVERHEAD_BYTES);
/** Of what is offered; a few frames are always under way. */
export const WHOLE = 0.98;

/** What holds for a cell of the cross product. */
export interface CellPromise {
  /** It is promised that the victim that sends keeps its rate. */
  readonly rate: boolean;
  /** How much later than before a victim's frames and answers may be, at the 99th percentile, us. */
  readonly laterUs: number;
  /** That is promised. */
  readonly wait: boolean;
  /** It is promised that no frame of the neighbour leaves any more. */
  readonly silent: boolean;
}

/** Approaches that do not check who owns the page that a guest names. Others may be late to close a page, and never open one. */
const UNGUARDED: readonly string[] = ['none', 'nodma'];

/** What approach and discipline together promise against a hostility. */
export function promiseOf(approach: string, discipline: string, hostility: string): CellPromise {
  const said = DISCIPLINE_PROMISES.find((promise) => promise.discipline === discipline);
  const chosen = HOSTILITIES.find(({ name }) => name === hostility);
  const exists = APPROACHES.some(({ name }) => name === approach);
  if (said === undefined || chosen === undefined || !exists)
    throw new InvariantViolation(`nothing is known of ${approach}, ${discipline} and ${hostility}`);
  const borneUs = BORNE_US + FIFO_US;
  const floods =
    chosen.against === 'wire' || (chosen.floodsUnguarded === true && UNGUARDED.includes(approach));
  // Behind the driver domain there is one context: the card's discipline has nothing to decide.
  if (approach === 'driver-domain' || chosen.against === 'receivers')
    return { rate: false, laterUs: borneUs, wait: false, silent: chosen.against === 'card' };
  if (!floods) return { rate: true, laterUs: SILENT_US, wait: true, silent: true };
  const wait = said.waitBytes !== undefined;
  return {
    rate: said.keepsRate,
    laterUs: wait ? micro(said.waitBytes) + FIFO_US : borneUs,
    wait,
    silent: false,
  };
}

/** Bytes on the wire, us. */
function micro(bytes: number): number {
  return (bytes * 8e6) / LINE_BPS;
}
