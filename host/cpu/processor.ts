import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../../scheduler/event-kernel.js';
import { COSTS, type CostName } from './costs.js';

const COST_NAMES = Object.keys(COSTS) as CostName[];
const NUMBER_OF = Object.fromEntries(COST_NAMES.map((name, number) => [name, number])) as Record<
  CostName,
  number
>;

/** A unit of work of a domain: runs at once, charges what it costs, and its core is busy for that long. */
export type Work = (argument: number) => void;

export interface ProcessorOptions {
  /** Cores, shared by everybody. */
  readonly cores: number;
  /** Clock, Hz. */
  readonly hertz: number;
  readonly costs: Readonly<Record<CostName, number>>;
}

/** Who runs on the processor. */
export interface CpuAccount {
  readonly name: string;
  readonly core: number;
}

interface Core {
  busy: boolean;
  /** Last domain that ran here. */
  lastAccount: number;
  /** Parties with work, in the order in which they became ready. */
  readonly ready: number[];
  urgent: number;
  /** Time that it was given to work, ns, all of it; the last of it ends at `busyUntilNs`. */
  busyNs: number;
  busyUntilNs: number;
}

/** What a party is still to do: a ring that grows, and is never given back, so that an empty queue costs nothing to fill. */
interface Queue {
  works: (Work | undefined)[];
  arguments: Float64Array;
  head: number;
  count: number;
}

const INITIAL_QUEUE = 8;

/**
 * CPU time: cores that the hypervisor, the driver domain and the guests share. Work waits until its core is
 * free, runs in one instant, and keeps the core busy for what it charged; what it sends out leaves `elapsedNs` after
 * that instant. So a full core makes everything on it late, and throughput falls.
 *
 * Parties on a core take turns, one unit of work each; the hypervisor's work (interrupts) goes first. A change of
 * party costs a context switch.
 */
export class Processor {
  readonly hertz: number;
  readonly cores: number;
  readonly costs: Readonly<Record<CostName, number>>;
  readonly #kernel: EventKernel;
  readonly #done: HandlerId;
  readonly #accounts: CpuAccount[] = [];
  readonly #queues: Queue[] = [];
  readonly #cycles: number[] = [];
  readonly #cores: Core[];
  readonly #urgentAccount: number[] = [];
  readonly #halted = new Set<number>();
  readonly #nsPerCycle: number;
  readonly #costByNumber: Float64Array;
  #current = -1;
  #elapsedCycles = 0;
  // What is left of a nanosecond when work ends, carried forward for each core.
  readonly #carryNs: number[];

  constructor(kernel: EventKernel, options: ProcessorOptions) {
    if (!Number.isInteger(options.cores) || options.cores < 1 || options.cores > 1024) {
      throw new ParameterError(`cpu.cores is ${options.cores}, expected a whole number from 1 to 1,024`);
    }
    if (!(options.hertz >= 1e6 && options.hertz <= 1e11)) {
      throw new ParameterError(`cpu.hertz is ${options.hertz}, expected a clock from 10^6 to 10^11`);
    }
    this.#kernel = kernel;
    this.hertz = options.hertz;
    this.cores = options.cores;
    this.costs = options.costs;
    this.#nsPerCycle = 1e9 / options.hertz;
    this.#costByNumber = Float64Array.from(COST_NAMES, (name) => options.costs[name]);
    this.#done = kernel.register('host.cpu', (core) => this.#onDone(core));
    this.#cores = Array.from({ length: options.cores }, () => ({
      busy: false,
      lastAccount: -1,
      ready: [],
      urgent: 0,
      busyNs: 0,
      busyUntilNs: 0,
    }));
    this.#carryNs = new Array<number>(options.cores).fill(0);
  }

  /** Makes a party known on a core; `urgent` work goes before that of others. Returns its number. */
  addAccount(name: string, core: number, urgent = false): number {
    this.#accounts.push({ name, core: core % this.cores });
    this.#queues.push({
      works: new Array<Work | undefined>(INITIAL_QUEUE).fill(undefined),
      arguments: new Float64Array(INITIAL_QUEUE),
      head: 0,
      count: 0,
    });
    this.#cycles.push(0);
    if (urgent) this.#urgentAccount.push(this.#accounts.length - 1);
    return this.#accounts.length - 1;
  }

  get accounts(): readonly CpuAccount[] {
    return this.#accounts;
  }

  /** Cycles that a party has been charged. */
  cyclesOf(account: number): number {
    return this.#cycles[account] ?? 0;
  }

  /** Time that a party has been charged, ns. */
  nsOf(account: number): number {
    return (this.#cycles[account] ?? 0) * this.#nsPerCycle;
  }

  /** Time that a core has been busy up to now, ns. */
  busyNsOf(core: number): number {
    const entry = this.#cores[core];
    if (entry === undefined) throw new RangeError(`core is ${core}, expected 0 to ${this.cores - 1}`);
    return entry.busyNs - Math.max(0, entry.busyUntilNs - this.#kernel.nowNs);
  }

  /** Time that cores had nothing to do up to now, ns, summed over them: wall time less busy time. */
  get idleNs(): number {
    let idleNs = 0;
    for (let core = 0; core < this.cores; core += 1) idleNs += this.#kernel.nowNs - this.busyNsOf(core);
    return idleNs;
  }

  /** How far into its work whoever runs now has come, ns; 0 outside of work. */
  get elapsedNs(): number {
    return Math.ceil(this.#elapsedCycles * this.#nsPerCycle);
  }

  /** Asks for `work` to be run for a party when its core has time. */
  post(account: number, work: Work, argument = 0): void {
    const queue = this.#queues[account];
    const entry = this.#accounts[account];
    if (queue === undefined || entry === undefined)
      throw new InvariantViolation(`party ${account} does not exist`);
    if (this.#halted.has(account)) return;
    const wasEmpty = queue.count === 0;
    if (queue.count === queue.works.length) grow(queue);
    const at = (queue.head + queue.count) & (queue.works.length - 1);
    queue.works[at] = work;
    queue.arguments[at] = argument;
    queue.count += 1;
    const core = this.#cores[entry.core];
    if (core === undefined) throw new InvariantViolation(`core ${entry.core} does not exist`);
    if (wasEmpty) this.#makeReady(core, account);
    if (!core.busy) {
      core.busy = true;
      this.#kernel.post(0, this.#done, entry.core);
    }
  }

  /** A party never runs again: what waits is thrown away, what comes later is ignored. Work that runs now ends. */
  halt(account: number): void {
    if (this.#halted.has(account)) return;
    this.#halted.add(account);
    const queue = this.#queues[account];
    const core = this.#cores[this.#accounts[account]?.core ?? -1];
    if (queue === undefined || core === undefined)
      throw new InvariantViolation(`party ${account} does not exist`);
    queue.works.fill(undefined);
    queue.head = 0;
    queue.count = 0;
    const at = core.ready.indexOf(account);
    if (at < 0) return;
    core.ready.splice(at, 1);
    if (at < core.urgent) core.urgent -= 1;
  }

  /** Charges the party that runs now. Outside of work (set-up) it only counts. */
  charge(name: CostName, times = 1): void {
    this.chargeAccount(this.#current, name, times);
  }

  /** Charges another party than the one whose work runs (a hypercall is the hypervisor's time). */
  chargeAccount(account: number, name: CostName, times = 1): void {
    // By number: a load of a fraction by a changing name would be boxed (16 bytes a charge, measured).
    const cycles = (this.#costByNumber[NUMBER_OF[name]] ?? 0) * times;
    if (account >= 0) this.#cycles[account] = (this.#cycles[account] ?? 0) + cycles;
    if (this.#current >= 0) this.#elapsedCycles += cycles;
  }

  /** A party waits with the core in its hands (polls a status word) for so many ns. */
  spin(account: number, waitNs: number): void {
    const cycles = waitNs / this.#nsPerCycle;
    this.#cycles[account] = (this.#cycles[account] ?? 0) + cycles;
    if (this.#current >= 0) this.#elapsedCycles += cycles;
  }

  /** Forgets what has been charged: set-up is over, what follows is the run. */
  startAccounts(): void {
    this.#cycles.fill(0);
  }

  /** The party whose work runs now, or -1. */
  get running(): number {
    return this.#current;
  }

  /** Units of work that wait, for a party. */
  backlogOf(account: number): number {
    return this.#queues[account]?.count ?? 0;
  }

  checkInvariants(): void {
    for (const [account, queue] of this.#queues.entries()) {
      const core = this.#cores[this.#accounts[account]?.core ?? 0];
      const waiting = queue.count > 0;
      const listed = core?.ready.filter((other) => other === account).length ?? 0;
      if (listed !== (waiting ? 1 : 0))
        throw new InvariantViolation(`${this.#accounts[account]?.name} is ready ${listed} times`);
      if (waiting && core?.busy === false) throw new InvariantViolation('a core idles although work waits');
    }
  }

  #makeReady(core: Core, account: number): void {
    if (this.#urgentAccount.includes(account)) {
      core.ready.splice(core.urgent, 0, account);
      core.urgent += 1;
    } else {
      core.ready.push(account);
    }
  }

  #onDone(coreNumber: number): void {
    const core = this.#cores[coreNumber];
    if (core === undefined) throw new InvariantViolation(`core ${coreNumber} does not exist`);
    const account = core.ready.shift();
    if (account === undefined) {
      core.busy = false;
      this.#carryNs[coreNumber] = 0;
      return;
    }
    if (core.urgent > 0) core.urgent -= 1;
    const queue = this.#queues[account];
    const work = queue?.works[queue.head];
    if (queue === undefined || work === undefined) throw new InvariantViolation('a ready party without work');
    const argument = queue.arguments[queue.head] ?? 0;
    queue.works[queue.head] = undefined;
    queue.head = (queue.head + 1) & (queue.works.length - 1);
    queue.count -= 1;
    if (queue.count > 0) this.#makeReady(core, account);
    this.#current = account;
    this.#elapsedCycles = 0;
    // The hypervisor runs in whoever's context; only a change between domains is a switch, and is its time.
    if (!this.#urgentAccount.includes(account)) {
      if (core.lastAccount !== account && core.lastAccount >= 0) {
        this.chargeAccount(this.#urgentAccount[0] ?? account, 'contextSwitch');
      }
      core.lastAccount = account;
    }
    try {
      work(argument);
    } finally {
      const busyNs = this.#elapsedCycles * this.#nsPerCycle + (this.#carryNs[coreNumber] ?? 0);
      const wholeNs = Math.floor(busyNs);
      this.#carryNs[coreNumber] = busyNs - wholeNs;
      this.#current = -1;
      this.#elapsedCycles = 0;
      core.busyNs += wholeNs;
      core.busyUntilNs = this.#kernel.nowNs + wholeNs;
      this.#kernel.post(wholeNs, this.#done, coreNumber);
    }
  }
}

function grow(queue: Queue): void {
  const { works, arguments: before, head } = queue;
  const length = works.length;
  queue.works = Array.from({ length: length * 2 }, (_, index) =>
    index < length ? works[(head + index) & (length - 1)] : undefined,
  );
  queue.arguments = new Float64Array(length * 2);
  for (let index = 0; index < length; index += 1) {
    queue.arguments[index] = before[(head + index) & (length - 1)] ?? 0;
  }
  queue.head = 0;
}
