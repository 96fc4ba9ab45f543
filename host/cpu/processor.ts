import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import type { EventKernel, HandlerId } from '../../scheduler/event-kernel.js';
import { absent } from '../../scheduler/present.js';
import { Row } from '../../scheduler/row.js';
import { COST, COST_NAMES, type CostName, type CostNumber } from './costs.js';
import { runWork, type Work, WorkQueues } from './work-queue.js';
import { WorkShares } from './work-shares.js';

export type { Work, Worker } from './work-queue.js';

/** Told that a core works for an account from one moment to another, ns. The moments may lie ahead. */
export type CpuWatcher = (core: number, account: number, startNs: number, endNs: number) => void;

export interface ProcessorOptions {
  /** Cores, shared by all accounts. */
  readonly cores: number;
  /** Clock, Hz. */
  readonly hertz: number;
  readonly costs: Readonly<Record<CostName, number>>;
}

/** A domain that runs on the processor, and is charged for it. */
export interface CpuAccount {
  readonly name: string;
  readonly core: number;
}

interface Core {
  busy: boolean;
  /** Last domain that ran here. */
  lastAccount: number;
  /** Accounts with work, in the order in which they became ready. */
  readonly ready: Row<number>;
  urgent: number;
  /** Time that it was given to work, ns, all of it; the last of it ends at `busyUntilNs`. */
  busyNs: number;
  busyUntilNs: number;
  /** Which accounts the last unit of work was for, and until when. */
  readonly shares: WorkShares;
  /** Accounts of this core that were charged outside of work. */
  readonly owing: Row<number>;
}

/**
 * CPU time: cores that the hypervisor, the driver domain and the guests share. Work waits until its core is
 * free, runs in one instant, and keeps the core busy for what it charged; what it sends out leaves `elapsedNs` after
 * that instant. So a full core makes everything on it late, and throughput falls.
 *
 * The accounts of a core are served round-robin, one unit of work each; the hypervisor's work (interrupts) goes first. A
 * change of account costs a context switch. What is charged while no work runs (an answer of the IOMMU that unpins
 * pages) is work too: the account's core does it before anything else.
 *
 * CPU time is conserved: at every instant the accounts' time is the cores' busy time, and with their idle time it is
 * all the time that there was, in whole nanoseconds.
 */
export class Processor {
  readonly hertz: number;
  readonly cores: number;
  readonly costs: Readonly<Record<CostName, number>>;
  readonly #kernel: EventKernel;
  readonly #done: HandlerId;
  // By account: its name and its core.
  readonly #names: string[] = [];
  readonly #coreOf: number[] = [];
  readonly #queues = new WorkQueues();
  readonly #cycles: number[] = [];
  // Time of each account, ns, with all of a unit of work that still runs.
  readonly #ns: number[] = [];
  // Cycles that were charged to each account outside of work and that its core has not spent yet.
  readonly #owedCycles: number[] = [];
  readonly #cores: Core[];
  readonly #urgentAccount: number[] = [];
  readonly #halted = new Set<number>();
  readonly #nsPerCycle: number;
  readonly #costByNumber: Float64Array;
  #current = -1;
  #shares: WorkShares | undefined;
  #startNs = 0;
  readonly #watchers: CpuWatcher[] = [];

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
      ready: new Row(),
      urgent: 0,
      busyNs: 0,
      busyUntilNs: 0,
      shares: new WorkShares(this.#nsPerCycle),
      owing: new Row(),
    }));
  }

  /** Opens an account on a core; `urgent` work goes before that of others. Returns its number. */
  addAccount(name: string, core: number, urgent = false): number {
    this.#names.push(name);
    this.#coreOf.push(core % this.cores);
    this.#queues.add();
    this.#cycles.push(0);
    this.#ns.push(0);
    this.#owedCycles.push(0);
    if (urgent) this.#urgentAccount.push(this.#names.length - 1);
    return this.#names.length - 1;
  }

  get accounts(): readonly CpuAccount[] {
    return this.#names.map((name, account) => ({ name, core: this.#coreOf[account] ?? absent() }));
  }

  /** Cycles that an account has been charged, spent or not. */
  cyclesOf(account: number): number {
    return this.#cycles[account] ?? absent();
  }

  /** Time that cores have spent on an account since `startAccounts`, up to now, whole ns. */
  nsOf(account: number): number {
    const now = this.#kernel.nowNs;
    let ns = this.#ns[account] ?? absent();
    for (const { busyUntilNs, shares } of this.#cores) {
      if (busyUntilNs > now) ns -= shares.lastNs(account, busyUntilNs - now);
    }
    return ns;
  }

  /** From now on `watcher` is told whose time each core spends. It costs nothing while there is none. */
  watch(watcher: CpuWatcher): () => void {
    this.#watchers.push(watcher);
    return () => {
      const at = this.#watchers.indexOf(watcher);
      if (at >= 0) this.#watchers.splice(at, 1);
    };
  }

  /** Time that a core has been busy since `startAccounts`, up to now, whole ns. */
  busyNsOf(core: number): number {
    const entry = this.#cores[core];
    if (entry === undefined) throw new RangeError(`core is ${core}, expected 0 to ${this.cores - 1}`);
    return entry.busyNs - Math.max(0, entry.busyUntilNs - this.#kernel.nowNs);
  }

  /** Time that cores had nothing to do since `startAccounts`, up to now, ns, summed over them: wall time less busy time. */
  get idleNs(): number {
    let idleNs = 0;
    const wallNs = this.#kernel.nowNs - this.#startNs;
    for (let core = 0; core < this.cores; core += 1) idleNs += wallNs - this.busyNsOf(core);
    return idleNs;
  }

  /** How far the work that runs now has come, ns; 0 outside of work. */
  get elapsedNs(): number {
    const shares = this.#shares;
    return shares === undefined ? 0 : Math.ceil(shares.elapsedCycles * this.#nsPerCycle);
  }

  /** Asks for `work` to be run for an account when its core has time. */
  post(account: number, work: Work, argument = 0): void {
    const coreNumber = this.#coreOf[account];
    if (coreNumber === undefined) throw new InvariantViolation(`account ${account} does not exist`);
    if (this.#halted.has(account)) return;
    const wasEmpty = this.#queues.count(account) === 0;
    this.#queues.push(account, work, argument);
    const core = this.#cores[coreNumber];
    if (core === undefined) throw new InvariantViolation(`core ${coreNumber} does not exist`);
    if (wasEmpty) this.#makeReady(core, account);
    this.#wake(core, coreNumber);
  }

  /** An account never runs again: waiting work is discarded, later work is ignored. Work that runs now ends. */
  halt(account: number): void {
    if (this.#halted.has(account)) return;
    this.#halted.add(account);
    const core = this.#cores[this.#coreOf[account] ?? -1];
    if (core === undefined) throw new InvariantViolation(`account ${account} does not exist`);
    this.#queues.clear(account);
    const at = core.ready.remove(account);
    if (at >= 0 && at < core.urgent) core.urgent -= 1;
  }

  /** Charges the account that runs now. While none does (set-up) there is none to charge. */
  charge(cost: CostNumber, times = 1): void {
    if (this.#current >= 0) this.chargeAccount(this.#current, cost, times);
  }

  /** Charges an account, which may be another than the one whose work runs (a hypercall is the hypervisor's time). */
  chargeAccount(account: number, cost: CostNumber, times = 1): void {
    const shares = this.#shares;
    const cycles = (this.#costByNumber[cost] ?? absent()) * times;
    if (shares === undefined) {
      this.#spendCycles(account, cycles);
      return;
    }
    this.#cycles[account] = (this.#cycles[account] ?? absent()) + cycles;
    if (account !== shares.current) shares.charge(account);
    shares.elapsedCycles += cycles;
  }

  /** An account holds its core while it waits (polls a status word) for the given time, ns. */
  spin(account: number, waitNs: number): void {
    this.#spendCycles(account, waitNs / this.#nsPerCycle);
  }

  /**
   * Forgets what has been charged, spent or not: set-up is over, what follows is the run.
   * @throws InvariantViolation in the middle of work.
   */
  startAccounts(): void {
    this.#startNs = this.#kernel.nowNs;
    this.#cycles.fill(0);
    this.#ns.fill(0);
    this.#owedCycles.fill(0);
    for (const core of this.#cores) {
      if (core.busyUntilNs > this.#startNs)
        throw new InvariantViolation('accounts start in the middle of work');
      core.busyNs = 0;
      core.owing.clear();
    }
  }

  /** The account whose work runs now, or -1. */
  get running(): number {
    return this.#current;
  }

  /** Units of work that wait, for an account. */
  backlogOf(account: number): number {
    return this.#queues.count(account);
  }

  checkInvariants(): void {
    for (const [account, coreNumber] of this.#coreOf.entries()) {
      const core = this.#cores[coreNumber] ?? absent();
      const waiting = this.#queues.count(account) > 0;
      const listed = core.ready.countOf(account);
      if (listed !== (waiting ? 1 : 0))
        throw new InvariantViolation(`${this.#names[account]} is ready ${listed} times`);
      if (waiting && !core.busy) throw new InvariantViolation('a core idles although work waits');
    }
    let busyNs = 0;
    for (let core = 0; core < this.cores; core += 1) busyNs += this.busyNsOf(core);
    let spentNs = 0;
    for (let account = 0; account < this.#names.length; account += 1) spentNs += this.nsOf(account);
    if (spentNs !== busyNs)
      throw new InvariantViolation(
        `accounts have ${spentNs} ns of CPU time, cores were busy for ${busyNs} ns`,
      );
    if (this.idleNs < 0) throw new InvariantViolation(`cores were idle for ${this.idleNs} ns`);
  }

  /** Within work the time belongs to the unit that runs; outside of it, the account's core owes it. */
  #spendCycles(account: number, cycles: number): void {
    this.#cycles[account] = (this.#cycles[account] ?? absent()) + cycles;
    const shares = this.#shares;
    if (shares !== undefined) {
      shares.charge(account);
      shares.elapsedCycles += cycles;
      return;
    }
    // Before the first event a machine is being set up, and set-up takes no time.
    if (cycles === 0 || this.#kernel.executed === 0) return;
    const coreNumber = this.#coreOf[account] ?? absent();
    const core = this.#cores[coreNumber] ?? absent();
    const owed = this.#owedCycles[account] ?? absent();
    if (owed === 0) core.owing.push(account);
    this.#owedCycles[account] = owed + cycles;
    this.#wake(core, coreNumber);
  }

  #wake(core: Core, coreNumber: number): void {
    if (core.busy) return;
    core.busy = true;
    this.#kernel.post(0, this.#done, coreNumber);
  }

  #makeReady(core: Core, account: number): void {
    if (this.#urgentAccount.includes(account)) {
      core.ready.insert(core.urgent, account);
      core.urgent += 1;
    } else {
      core.ready.push(account);
    }
  }

  #onDone(coreNumber: number): void {
    const core = this.#cores[coreNumber];
    if (core === undefined) throw new InvariantViolation(`core ${coreNumber} does not exist`);
    const owing = core.owing.shift();
    if (owing !== undefined) {
      this.#begin(core, owing);
      core.shares.elapsedCycles = this.#owedCycles[owing] ?? absent();
      this.#owedCycles[owing] = 0;
      this.#end(core, coreNumber);
      return;
    }
    const account = core.ready.shift();
    if (account === undefined) {
      core.busy = false;
      core.shares.rest();
      return;
    }
    if (core.urgent > 0) core.urgent -= 1;
    const argument = this.#queues.argument(account);
    const work = this.#queues.shift(account);
    if (this.#queues.count(account) > 0) this.#makeReady(core, account);
    this.#begin(core, account);
    // The hypervisor runs in the context of the domain that is there; only a change of domain is a switch, and its time.
    if (!this.#urgentAccount.includes(account)) {
      if (core.lastAccount !== account && core.lastAccount >= 0) {
        this.chargeAccount(this.#urgentAccount[0] ?? account, COST.contextSwitch);
      }
      core.lastAccount = account;
    }
    try {
      runWork(work, argument);
    } finally {
      this.#end(core, coreNumber);
    }
  }

  #begin(core: Core, account: number): void {
    this.#current = account;
    this.#shares = core.shares;
    core.shares.begin(account);
  }

  /** Shares of the unit of work that has just run, in the order in which their time passes. */
  #tellWatchers(core: Core, coreNumber: number): void {
    const { nowNs } = this.#kernel;
    core.shares.each((account, beginNs, endNs) => {
      if (endNs === beginNs) return;
      for (const watcher of this.#watchers) watcher(coreNumber, account, nowNs + beginNs, nowNs + endNs);
    });
  }

  /** The core is busy for what the unit of work has charged, to the whole ns; fractions are carried on. */
  #end(core: Core, coreNumber: number): void {
    const wholeNs = core.shares.end(this.#ns);
    if (this.#watchers.length > 0) this.#tellWatchers(core, coreNumber);
    this.#current = -1;
    this.#shares = undefined;
    core.busyNs += wholeNs;
    core.busyUntilNs = this.#kernel.nowNs + wholeNs;
    this.#kernel.post(wholeNs, this.#done, coreNumber);
  }
}
