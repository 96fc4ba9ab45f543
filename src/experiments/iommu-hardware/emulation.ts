import type { TableWalker } from '../../../host/iommu/table-walker.js';
import type { Point } from './engine-limits.js';
import type { MachineParameters } from './machine.js';
import { RandomDma } from './random-dma.js';
import { mapWindow } from './translated-window.js';

/** Runs points on machines; the tables of a window are built once. */
export class Emulation {
  readonly #windows = new Map<number, TableWalker>();
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Transactions a second that the machine does at a point, over `transactions` of them. */
  tps(machine: MachineParameters, point: Point, iommu: 'off' | 'on', transactions: number): number {
    const walker = iommu === 'on' ? this.#window(point.windowBytes) : undefined;
    const dma = new RandomDma(machine, point, walker, this.#seed);
    const tps = dma.run(transactions);
    dma.checkInvariants();
    return tps;
  }

  #window(windowBytes: number): TableWalker {
    let walker = this.#windows.get(windowBytes);
    if (walker === undefined) {
      walker = mapWindow(windowBytes);
      this.#windows.set(windowBytes, walker);
    }
    return walker;
  }
}
