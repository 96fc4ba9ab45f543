import type { Discipline, Share } from '../discipline.js';
import { ParameterError } from '../errors.js';
import { DeficitRoundRobin } from './deficit-round-robin.js';
import { EarliestDeadlineFirst } from './earliest-deadline-first.js';
import { FifoDrain } from './fifo-drain.js';
import { PacketRoundRobin } from './packet-round-robin.js';
import { QuickFairQueueing } from './quick-fair-queueing.js';
import { SelfClockedFairQueueing } from './self-clocked-fair-queueing.js';
import { StartTimeFairQueueing } from './start-time-fair-queueing.js';
import { StrictPriority } from './strict-priority.js';
import { SurplusRoundRobin } from './surplus-round-robin.js';
import { WeightedFairQueueing } from './weighted-fair-queueing.js';
import { WeightedRoundRobin } from './weighted-round-robin.js';
import { WorstCaseFairWeightedFairQueueing } from './worst-case-fair-weighted-fair-queueing.js';

/** Options for making a discipline; each discipline reads those that it understands. */
export interface DisciplineOptions {
  /** Bytes that a visit grants per unit of weight (drr, srr). @defaultValue 1514 */
  readonly quantumBytes?: number;
  /** Largest frame expected, bytes (wfq, wf2q+, qfq). @defaultValue 9042 */
  readonly maxFrameBytes?: number;
  /** Rate of the link, bits per second of counted bytes. Required by wfq; sfq needs it for its delay bound. */
  readonly linkBps?: number;
  /** The link does not always carry `linkBps` of counted bytes: wfq then promises no bound. @defaultValue false */
  readonly linkVaries?: boolean;
  /**
   * Tenants of a hierarchy by their numbers, which `Share.tenant` gives. A number that is not here is a tenant directly
   * below the link with a weight of 1, and with the priority and deadline of its first context.
   */
  readonly tenants?: Readonly<Record<number, Tenant>>;
}

/** A tenant of a hierarchy: a node between the link and the contexts. */
export interface Tenant {
  readonly share: Share;
  /** Number of the tenant to which it belongs; absent directly below the link. */
  readonly parent?: number;
}

/** One discipline as lists show it. L is a frame length, w a weight, r the link rate, W the sum of weights, N the number of contexts. */
export interface DisciplineEntry {
  readonly name: string;
  /** One line. */
  readonly meaning: string;
  readonly paper: string;
  /** Cost of a decision among n contexts. */
  readonly complexity: string;
  /** Bound on |S_i/w_i - S_j/w_j| while both are backlogged. */
  readonly fairness: string;
  /** Bound on the waiting time. */
  readonly delay: string;
  /** Whether shares follow weights, in bytes. */
  readonly weighted: boolean;
  /** Fields of a share that it reads besides the weight. */
  readonly reads: readonly (keyof Share)[];
  readonly make: (options: DisciplineOptions) => Discipline;
}

const NONE = 'none';

/** Every discipline that can be used alone. */
export const DISCIPLINES: readonly DisciplineEntry[] = [
  {
    name: 'fifo',
    meaning: 'the context that rang first is served until its ring is empty; starves the rest',
    paper: 'the baseline',
    complexity: 'O(1)',
    fairness: NONE,
    delay: NONE,
    weighted: false,
    reads: [],
    make: () => new FifoDrain(),
  },
  {
    name: 'prr',
    meaning: 'packet round robin: one frame per visit, whatever its size',
    paper: 'Nagle 1985, RFC 970',
    complexity: 'O(1)',
    fairness: 'none in bytes; one frame',
    delay: 'N L_max / r: one frame of each other context, and the one in transmission',
    weighted: false,
    reads: [],
    make: () => new PacketRoundRobin(),
  },
  {
    name: 'wrr',
    meaning: 'weighted round robin: the weight is the number of frames per visit',
    paper: 'Katevenis et al. 1991',
    complexity: 'O(1)',
    fairness: 'none in bytes; L if all frames have one size L',
    delay: '(sum over others of w_j L_j + L_max) / r',
    weighted: false,
    reads: [],
    make: () => new WeightedRoundRobin(),
  },
  {
    name: 'drr',
    meaning: 'deficit round robin: bytes per visit in proportion to weight; the remainder carries over',
    paper: 'Shreedhar and Varghese 1995',
    complexity: 'O(1) if quantum >= L_max',
    fairness: 'quantum + (L_i-1)/w_i + (L_j-1)/w_j',
    delay: '((F-Q_i)(1+(L_i-1)/Q_i) + sum over others of (L_j-1)) / r + L_i/r',
    weighted: true,
    reads: [],
    make: (options) => new DeficitRoundRobin(pick(options, 'quantumBytes')),
  },
  {
    name: 'srr',
    meaning: 'surplus round robin: a visit may overdraw by one frame, and the debt carries over',
    paper: 'Adiseshu et al. 1996',
    complexity: 'O(1) if quantum >= L_max',
    fairness: 'quantum + (L_i-1)/w_i + (L_j-1)/w_j',
    delay: 'k Q_j + L_j - 1 of each other context before the k-th visit',
    weighted: true,
    reads: [],
    make: (options) => new SurplusRoundRobin(pick(options, 'quantumBytes')),
  },
  {
    name: 'sfq',
    meaning: 'start-time fair queueing: smallest start tag first; fair on a link of varying rate',
    paper: 'Goyal, Vin and Cheng 1996',
    complexity: 'O(log n)',
    fairness: 'L_i/w_i + L_j/w_j',
    delay: 'expected arrival + (sum over others of L_j + l) / r',
    weighted: true,
    reads: [],
    make: (options) => new StartTimeFairQueueing(pick(options, 'linkBps')),
  },
  {
    name: 'scfq',
    meaning: 'self-clocked fair queueing: smallest finish tag first, the frame in service is the clock',
    paper: 'Golestani 1994',
    complexity: 'O(log n)',
    fairness: 'L_i/w_i + L_j/w_j',
    delay: 'L_i/r_i + (N-1) L_max/r',
    weighted: true,
    reads: [],
    make: () => new SelfClockedFairQueueing(),
  },
  {
    name: 'wfq',
    meaning: 'weighted fair queueing: first the frame that a fluid link would finish first',
    paper: 'Demers et al. 1989; Parekh and Gallager 1993',
    complexity: 'O(log n)',
    fairness:
      'max(C_j + L_max/w_i + L_j/w_j, C_i + L_max/w_j + L_i/w_i), C_i = min((N-1) L_max/w_i, L_max/w_min)',
    delay: 'fluid finish + L_max/r',
    weighted: true,
    reads: [],
    make: (options) => {
      if (options.linkBps === undefined) {
        throw new ParameterError('wfq: linkBps is missing, expected the rate of the link in bits per second');
      }
      return new WeightedFairQueueing({
        linkBps: options.linkBps,
        ...pick(options, 'maxFrameBytes'),
        ...pick(options, 'linkVaries'),
      });
    },
  },
  {
    name: 'wf2q+',
    meaning:
      'worst-case fair WFQ: of the frames that a fluid link would have started, the one that it would finish first',
    paper: 'Bennett and Zhang 1996',
    complexity: 'O(log n)',
    fairness: '2 (L_i/w_i + L_j/w_j + L_max/W); worst-case index L_i + (L_max-L_i) w_i/W',
    delay: 'Q/r_i + L_i/r_i + (L_max-L_i)/r',
    weighted: true,
    reads: [],
    make: (options) => new WorstCaseFairWeightedFairQueueing(pick(options, 'maxFrameBytes')),
  },
  {
    name: 'qfq',
    meaning: 'quick fair queueing: WF2Q+ in groups and bitmaps, no heap',
    paper: 'Checconi, Rizzo and Valente 2013',
    complexity: 'O(1)',
    fairness: '4 (sigma_i + sigma_j) + 2 L_max/W; worst-case index 3 sigma_i w_i + 2 L_max w_i/W',
    delay: 'Q/r_i + (3 sigma_i W + 2 L_max)/r',
    weighted: true,
    reads: ['maxFrameBytes'],
    make: (options) => new QuickFairQueueing(pick(options, 'maxFrameBytes')),
  },
  {
    name: 'priority',
    meaning: 'strict priority: lowest number first, round robin among equals; starves those below',
    paper: 'IEEE 802.1Q, 8.6.8.1',
    complexity: 'O(1)',
    fairness: NONE,
    delay: 'first level: N_level L_max / r; below, none',
    weighted: false,
    reads: ['priority'],
    make: () => new StrictPriority(),
  },
  {
    name: 'edf',
    meaning: 'earliest deadline first, counted from the time at which a frame reaches the head of its queue',
    paper: 'Liu and Layland 1973; Ferrari and Verma 1990',
    complexity: 'O(log n)',
    fairness: NONE,
    delay: 'max(D_i - D_min, 0) + (sum of all L_j + L_max) / r',
    weighted: false,
    reads: ['deadlineNs'],
    make: () => new EarliestDeadlineFirst(),
  },
];

/** One option, if present: an absent option must not become `undefined`. */
function pick<K extends keyof DisciplineOptions>(
  options: DisciplineOptions,
  key: K,
): Pick<DisciplineOptions, K> {
  return options[key] === undefined
    ? ({} as Pick<DisciplineOptions, K>)
    : ({ [key]: options[key] } as Pick<DisciplineOptions, K>);
}
