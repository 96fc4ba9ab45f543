import type { TableWalker } from '../../../host/iommu/table-walker.js';
import type { Point } from './engine-limits.js';
import type { PageKind } from './latency-rows.js';
import type { MachineParameters } from './machine.js';
import { type Load, RandomDma } from './random-dma.js';
import { mapWindow } from './translated-window.js';

/** Runs points on machines; the tables of a window are built once. */
export class Emulation {
  readonly #windows = new Map<string, TableWalker>();
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Transactions per second that the machine does at a point, over `transactions` of them. */
  tps(
    machine: MachineParameters,
    point: Point,
    iommu: 'off' | PageKind,
    transactions: number,
    load: Load = 'full',
  ): number {
    const walker = iommu === 'off' ? undefined : this.#window(point.windowBytes, iommu);
    const dma = new RandomDma(machine, point, walker, load, this.#seed);
    const tps = dma.run(transactions);
    dma.checkInvariants();
    return tps;
  }

  /** Mean time of a read of the smallest size, one outstanding, ns. */
  latencyNs(
    machine: MachineParameters,
    window: { readonly cache: string; readonly windowBytes: number },
    iommu: 'off' | PageKind,
    transactions: number,
  ): number {
    const point: Point = { ...window, op: 'read', sizeBytes: 64 };
    return 1e9 / this.tps(machine, point, iommu, transactions, 'one');
  }

  #window(windowBytes: number, kind: PageKind): TableWalker {
    const key = `${kind} ${windowBytes}`;
    let walker = this.#windows.get(key);
    if (walker === undefined) {
      walker = mapWindow(windowBytes, kind);
      this.#windows.set(key, walker);
    }
    return walker;
  }
}
