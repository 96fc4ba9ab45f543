import type { Host } from '../../host/host.js';
import { Columns } from './columns.js';
import { FaultCount } from './fault-count.js';
import { Journal } from './journal.js';
import type { MachineState } from './machine-state.js';
import { type MappedGuest, memoryMap, type PageBlock, pageStates } from './memory-map.js';
import { snapshotOf } from './snapshot.js';

/** Between two pictures around the attack, and later, ns. */
const NEAR_NS = 2_000;
const FAR_NS = 40_000;
/** The film is close up for so long behind the beginning of the script, ns. */
const CLOSE_NS = 400_000;

/** When pictures are taken, ns of virtual time. */
export interface FilmTimes {
  readonly fromNs: number;
  /** When the script begins. */
  readonly scriptNs: number;
  readonly untilNs: number;
}

/** Takes pictures of a machine while a script moves its time. */
export class Film {
  readonly pictures: MachineState[] = [];
  readonly blocks: readonly PageBlock[];
  readonly #journal: Journal;
  readonly #faults: FaultCount;

  constructor(host: Host, guests: readonly MappedGuest[], { fromNs, scriptNs, untilNs }: FilmTimes) {
    const { kernel } = host;
    const list = () => guests;
    const journal = new Journal(host, list);
    const columns = new Columns(host, list);
    const faults = new FaultCount(host);
    const blocks = memoryMap(host, guests);
    const take = kernel.register('lab.film', () => {
      if (this.pictures.length === 0) journal.watch(true);
      this.pictures.push({
        snapshot: snapshotOf(host, guests, columns, undefined, faults.count),
        ...pageStates(host, blocks),
        ...journal.take(),
        fingerprint: '',
      });
      const isClose = kernel.nowNs < scriptNs + CLOSE_NS;
      if (!isClose) journal.watch(false);
      const stepNs = isClose ? NEAR_NS : FAR_NS;
      if (kernel.nowNs + stepNs <= untilNs) kernel.post(stepNs, take);
    });
    kernel.scheduleAt(fromNs, take);
    this.blocks = blocks;
    this.#journal = journal;
    this.#faults = faults;
  }

  /** No more pictures are taken. */
  close(): void {
    this.#journal.close();
    this.#faults.close();
  }
}
