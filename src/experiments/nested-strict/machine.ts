import { naturalLog } from '../../../guests/traffic/elementary-functions.js';
import { RandomStream } from '../../../guests/traffic/random-stream.js';
import type { CostName } from '../../../host/cpu/costs.js';
import { Host } from '../../../host/host.js';
import type { Domain } from '../../../host/hypervisor/domain.js';
import { WRITE } from '../../../host/iommu/entry-format.js';
import type { GuestSpace } from '../../../host/protection/iommu/guest-space.js';
import { Iommu } from '../../../host/protection/iommu/iommu.js';
import type { IommuProtection } from '../../../host/protection/iommu/iommu-protection.js';
import type { QueueLockOptions } from '../../../host/protection/iommu/queue-lock.js';
import { SingleUse } from '../../../host/protection/iommu/strategies/single-use.js';
import type { IoPageNumber, PageNumber } from '../../../nic/addresses.js';
import { makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { present } from '../../../scheduler/present.js';
import { VIRTUALIZATION_STEPS } from '../price-of-safety/bench.js';
import { FRAMES_PER_MAPPING } from './published.js';

/** What one machine is like. */
export interface NestedSettings {
  readonly cores: number;
  readonly lock: Partial<QueueLockOptions>;
  /** CPU time of a frame without what maps and unmaps take, ns. */
  readonly frameNs: number;
  readonly seed: number;
}

/** The kernel and the driver of the guest, which do for themselves what a hypervisor does for a guest. */
const KERNEL_COSTS = Object.fromEntries(VIRTUALIZATION_STEPS.map((name) => [name, 0])) as Partial<
  Record<CostName, number>
>;
/** Logarithm of the chance that a page comes back to the pool in time. */
const LOG_OF_PRESENT = naturalLog(1 - 1 / FRAMES_PER_MAPPING);
const MEMORY_BYTES = 64 * 2 ** 20;

/**
 * A guest with several cores, each with a receive queue that is never empty: frames take CPU time, and now and then a page
 * does not come back to the pool, so that it is unmapped, strictly, and another mapped. All cores share the unit's queue
 * and its lock. Tables, queue, lock and CPU are those of every other machine here; the card does not take part.
 */
export class NestedGuest {
  readonly kernel = new EventKernel();
  readonly host: Host<IommuProtection>;
  readonly #settings: NestedSettings;
  readonly #queues: readonly ReceiveQueue[];

  constructor(settings: NestedSettings) {
    this.#settings = settings;
    const { cores, lock, seed } = settings;
    this.host = new Host({
      kernel: this.kernel,
      protection: new Iommu({
        strategy: 'single-use',
        strategyOptions: { linuxKernel: '6.12' },
        seed,
        queueLock: lock,
        // The trapped write comes back when everything is done: the time of the unit is in the time of the trap.
        timing: { pageInvalidationNs: 0 },
        queueTiming: { descriptorFetchNs: 0, statusWriteNs: 0 },
      }),
      wire: { transmitted: () => undefined },
      transmitDiscipline: makeDiscipline('drr'),
      receiveDiscipline: makeDiscipline('drr'),
      host: { cores, costs: KERNEL_COSTS, memoryBytes: MEMORY_BYTES },
    });
    this.#queues = Array.from({ length: cores }, (_, core) => this.#queue(core));
  }

  /** Frames that were received by all cores together. */
  get frames(): number {
    return this.#queues.reduce((sum, { frames }) => sum + frames, 0);
  }

  run(untilNs: number): void {
    this.kernel.run(untilNs);
  }

  #queue(core: number): ReceiveQueue {
    const { host } = this;
    const domain = host.createGuest(`core${core}`, core);
    const { space, strategy } = host.protection.open(domain, {
      mac: 0x02_00_00_00_00_01 + core,
      share: { weight: 1 },
      transmitSlots: 2,
      receiveSlots: 2,
      antiSpoofing: false,
      promiscuous: false,
    });
    if (!(strategy instanceof SingleUse)) throw new InvariantViolation('the strategy is not single-use');
    return new ReceiveQueue(host, domain, space, strategy, this.#settings, core);
  }
}

/** The receive queue of one core. */
class ReceiveQueue {
  frames = 0;
  readonly #host: Host<IommuProtection>;
  readonly #domain: Domain;
  readonly #space: GuestSpace;
  readonly #strategy: SingleUse;
  readonly #frameNs: number;
  readonly #page: PageNumber;
  readonly #random: RandomStream;
  readonly #receiveWork = () => this.#receive();
  readonly #unmapWork = () => this.#unmap();
  readonly #mapWork = () => this.#mapNext();
  #mapped: IoPageNumber;

  constructor(
    host: Host<IommuProtection>,
    domain: Domain,
    space: GuestSpace,
    strategy: SingleUse,
    { frameNs, seed }: NestedSettings,
    core: number,
  ) {
    this.#host = host;
    this.#domain = domain;
    this.#space = space;
    this.#strategy = strategy;
    this.#frameNs = frameNs;
    this.#random = new RandomStream((seed ^ Math.imul(core + 1, 0x9e3779b1)) >>> 0);
    this.#page = present(domain.allocate(1)[0]);
    this.#mapped = this.#map();
    this.#post(this.#receiveWork);
  }

  /**
   * Frames until a page is missing from the pool. What follows is work of its own, so that the lock is asked for when
   * the core has come that far, and cores get it in the order in which they ask.
   */
  #receive(): void {
    // Each frame's page is missing with the same chance.
    const frames = 1 + Math.floor(naturalLog(this.#random.unit()) / LOG_OF_PRESENT);
    this.#host.processor.spin(this.#domain.account, frames * this.#frameNs);
    this.frames += frames;
    this.#post(this.#unmapWork);
  }

  #unmap(): void {
    this.#strategy.retire(this.#mapped, 1, this.#page);
    this.#strategy.settle();
    this.#post(this.#mapWork);
  }

  #mapNext(): void {
    this.#mapped = this.#map();
    this.#post(this.#receiveWork);
  }

  #post(work: () => void): void {
    this.#host.processor.post(this.#domain.account, work);
  }

  #map(): IoPageNumber {
    const { processor, hypervisor } = this.#host;
    processor.chargeAccount(hypervisor.account, this.#strategy.addressCost);
    const first = this.#strategy.place(1);
    this.#space.map(first, this.#page, WRITE);
    this.#space.announce();
    return first;
  }
}
