import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { RequestOrder } from '../../../host/bus/request-order.js';
import type { TableWalker } from '../../../host/iommu/table-walker.js';
import { TranslationCache } from '../../../host/iommu/translation/translation-cache.js';
import {
  addressAfter,
  deviceAddress,
  ioPageOf,
  offsetInPage,
  pageAddress,
  passedThrough,
} from '../../../nic/addresses.js';
import { DEFAULT_PCIE, PcieLink, type PcieParameters } from '../../../nic/pcie-link.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { SerialLine } from '../../../scheduler/serial-line.js';
import type { Point } from './engine-limits.js';
import { type MachineParameters, readsInFlight } from './machine.js';
import { REQUESTER_ID, WINDOW_IOVA } from './translated-window.js';

/**
 * What runs before counting begins, for the caches to fill and the queues to find their level: a share of what is
 * counted, and at least this many transactions for each page that the IOTLB will come to hold.
 */
const WARM_UP_SHARE = 0.25;
const WARM_UP_A_PAGE = 8;
/** Least time that host memory takes to answer a read, ns; the rest of the latency is the way there and back. */
const LEAST_MEMORY_NS = 60;
/** The smallest reads are bound by latency; the engine itself could issue them this much faster. */
const ISSUE_HEADROOM = 1.25;

/**
 * The link of the measured card, Gen 3 x8. What the data link layer takes is inside the measured limits, so here it
 * takes nothing; where a measured limit is above such a link, a wider one is taken.
 */
function linkParameters(machine: MachineParameters): PcieParameters {
  const latencyNs = machine.latency.unloadedNs;
  const propagationNs = Math.max(
    0,
    Math.min(DEFAULT_PCIE.propagationNs, Math.floor((latencyNs - LEAST_MEMORY_NS) / 2) - 20),
  );
  let fastest = 0;
  for (const op of ['read', 'write'] as const) {
    for (const size of machine.limits.sizes(op)) {
      const packets = Math.ceil(size / DEFAULT_PCIE.maxPayloadBytes);
      fastest = Math.max(
        fastest,
        machine.limits.bestTps(op, size) * (size + packets * DEFAULT_PCIE.requestHeaderBytes) * 8,
      );
    }
  }
  const lanes = fastest > 62e9 ? 16 : 8;
  return {
    ...DEFAULT_PCIE,
    lanes,
    generation: fastest > 125e9 ? 5 : 3,
    dataLinkEfficiency: 1,
    propagationNs,
  };
}

/** As many transactions as the engine keeps in flight, or one at a time. */
export type Load = 'full' | 'one';

/**
 * Random DMA as pcie-bench does it: the engine issues transactions of one size at random aligned places of a window,
 * as many as it may have in flight. Every transaction goes engine, link, translation, memory, and back.
 *
 * Each stage is an event of the kernel or a booking on a line; rates come out, they are not put in.
 */
export class RandomDma {
  readonly #kernel = new EventKernel(256);
  readonly #engine: SerialLine;
  readonly #link: PcieLink;
  readonly #timing: TranslationCache | undefined;
  readonly #random: ReturnType<typeof xoroshiro128plus>;
  readonly #point: Point;
  readonly #places: number;
  readonly #allowed: number;
  readonly #memoryNs: number;
  readonly #isRead: boolean;
  readonly #order = new RequestOrder(this.#kernel);
  readonly #arrive: number;
  readonly #memoryDone: number;
  readonly #finish: number;
  #pagesToCache = 0;
  #inFlight = 0;
  #finished = 0;

  /** @param walker the tables of the window, or undefined for a machine whose IOMMU is off */
  constructor(
    machine: MachineParameters,
    point: Point,
    walker: TableWalker | undefined,
    load: Load,
    seed: number,
  ) {
    const { limits, constants } = machine;
    this.#point = point;
    this.#isRead = point.op === 'read';
    this.#random = xoroshiro128plus(seed);
    this.#places = Math.max(1, Math.floor(point.windowBytes / point.sizeBytes));
    this.#link = new PcieLink(linkParameters(machine));
    const latencyBound = this.#isRead && point.sizeBytes === limits.sizes('read')[0];
    const issueTps = limits.tps(point) * (latencyBound ? ISSUE_HEADROOM : 1);
    this.#engine = new SerialLine(Math.round(issueTps * point.sizeBytes * 8));
    const inFlight = this.#isRead ? readsInFlight(machine, point.sizeBytes) : constants.writesInFlight;
    this.#allowed = load === 'one' ? 1 : inFlight;
    this.#memoryNs = this.#isRead ? memoryReadNs(machine, point, load) : 0;
    if (walker !== undefined) {
      this.#pagesToCache = Math.min(machine.iotlbEntries, Math.ceil(point.windowBytes / 4096));
      this.#timing = new TranslationCache(this.#kernel, walker, seed + 1, {
        iotlbEntries: machine.iotlbEntries,
        iotlbWays: machine.iotlbEntries,
        walkers: constants.walkers,
        walkIntervalNs: this.#isRead ? constants.readWalkIntervalNs : constants.writeWalkIntervalNs,
        walkOverheadNs: 0,
        tableReadNs: machine.walkNs,
      });
    }
    this.#arrive = this.#kernel.register('dma', () => this.#onArrival());
    this.#memoryDone = this.#kernel.register('dma', (address) => this.#onMemory(address));
    this.#finish = this.#kernel.register('dma', () => this.#onFinish());
  }

  /** Warms up, then counts `transactions`; returns their rate, transactions per second. */
  run(transactions: number): number {
    const warmUp =
      this.#finished +
      Math.max(Math.round(transactions * WARM_UP_SHARE), this.#pagesToCache * WARM_UP_A_PAGE);
    this.#issue();
    while (this.#finished < warmUp) this.#kernel.step();
    const [fromNs, from] = [this.#kernel.nowNs, this.#finished];
    while (this.#finished < from + transactions) this.#kernel.step();
    return ((this.#finished - from) / (this.#kernel.nowNs - fromNs)) * 1e9;
  }

  checkInvariants(): void {
    if (this.#inFlight < 0 || this.#inFlight > this.#allowed) {
      throw new InvariantViolation(
        `${this.#inFlight} transactions in flight, at most ${this.#allowed} allowed`,
      );
    }
    this.#timing?.checkInvariants();
    this.#kernel.checkInvariants();
  }

  #issue(): void {
    const { sizeBytes } = this.#point;
    while (this.#inFlight < this.#allowed) {
      this.#inFlight += 1;
      const issuedNs = this.#engine.carry(sizeBytes, this.#kernel.nowNs);
      // Places are aligned to the transaction's size, so the link's arithmetic is the same for each.
      const atHostNs = this.#isRead
        ? this.#link.requestRead(0, sizeBytes, issuedNs)
        : this.#link.write(0, sizeBytes, issuedNs);
      this.#kernel.scheduleAt(atHostNs, this.#arrive);
    }
  }

  #onArrival(): void {
    const place = Math.floor(((this.#random.next() >>> 0) / 2 ** 32) * this.#places);
    const iova = addressAfter(WINDOW_IOVA, place * this.#point.sizeBytes);
    let delayNs = 0;
    let physical = passedThrough(deviceAddress(iova));
    if (this.#timing !== undefined) {
      const offset = offsetInPage(iova);
      const page = this.#timing.translate(REQUESTER_ID, ioPageOf(iova), offset, !this.#isRead);
      if (page < 0) throw new InvariantViolation(`0x${iova.toString(16)} is in the window and was stopped`);
      physical = addressAfter(pageAddress(page), offset);
      delayNs = this.#timing.delayNs;
    }
    const takesNs = this.#isRead
      ? this.#order.read(REQUESTER_ID, delayNs, this.#memoryNs)
      : this.#order.write(REQUESTER_ID, delayNs);
    this.#kernel.schedule(takesNs, this.#memoryDone, physical);
  }

  #onMemory(_physical: number): void {
    // A write is done for the engine when its credit comes back, a read when its data does.
    const doneInNs = this.#isRead
      ? this.#link.completeRead(this.#kernel, 0, this.#point.sizeBytes, 0)
      : this.#link.parameters.propagationNs;
    this.#kernel.schedule(doneInNs, this.#finish);
  }

  #onFinish(): void {
    this.#inFlight -= 1;
    this.#finished += 1;
    this.#issue();
  }
}

/**
 * What is left of the latency for the host's memory, after engine and link have had theirs, ns. With one read
 * outstanding that is the measured latency; with many it is what their number and their rate make of it.
 */
function memoryReadNs(machine: MachineParameters, point: Point, load: Load): number {
  const { limits, latency } = machine;
  const sizeBytes = limits.sizes('read')[0] ?? 64;
  const smallest: Point = { ...point, sizeBytes };
  const link = new PcieLink(linkParameters(machine));
  const issueNs = 1e9 / (limits.tps(smallest) * ISSUE_HEADROOM);
  const wayNs = link.completeRead({ nowNs: 0 }, 0, sizeBytes, link.requestRead(0, sizeBytes, 0));
  const latencyNs =
    load === 'one'
      ? latency.at(point.cache, point.windowBytes)
      : (readsInFlight(machine, sizeBytes) / limits.tps(smallest)) * 1e9;
  return Math.max(0, Math.round(latencyNs - issueNs - wayNs));
}
