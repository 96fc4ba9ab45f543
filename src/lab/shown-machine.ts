import type { Direction } from '../../nic/context.js';
import type { CaptureStore } from '../machine/traffic.js';
import { Columns } from './columns.js';
import { FaultCount } from './fault-count.js';
import { type Details, inspect, type Subject } from './inspect.js';
import { Journal } from './journal.js';
import { LabMachine, type Position } from './lab-machine.js';
import type { MachineLayout, MachineState } from './machine-state.js';
import { memoryMap, type PageBlock, pageStates } from './memory-map.js';
import type { CheckedPlan } from './plan.js';
import type { Counts } from './protocol.js';
import { snapshotOf } from './snapshot.js';
import { FrameFollower } from './story/frame-follower.js';
import type { FrameStory } from './story/frame-story.js';

/** A machine with all that looks at it: journal, memory map, a frame that is followed. */
export class ShownMachine {
  readonly lab: LabMachine;
  readonly journal: Journal;
  readonly #columns: Columns;
  readonly #faults: FaultCount;
  #blocks: readonly PageBlock[];
  #blocksAtNs = 0;
  #follower: FrameFollower | undefined;

  /** @throws UserError when the plan asks for what cannot be */
  constructor(checked: CheckedPlan, captures: CaptureStore) {
    this.lab = new LabMachine(checked, captures);
    const { host, guests } = this.lab.machine;
    this.#columns = new Columns(host, () => guests);
    this.journal = new Journal(host, () => guests);
    this.#faults = new FaultCount(host);
    this.#blocks = memoryMap(host, guests);
  }

  get position(): Position {
    return this.lab.position;
  }

  get counts(): Counts {
    const { host, kernel } = this.lab.machine;
    return {
      event: kernel.executed,
      frame: host.nic.counters.total('framesTransmitted'),
      fault: this.#faults.count,
    };
  }

  get layout(): MachineLayout {
    const { checked } = this.lab;
    return {
      approach: checked.plan.approach,
      discipline: checked.plan.discipline,
      blocks: this.#blocks,
      endNs: checked.endNs,
    };
  }

  /** Tables grow and shadows come: looks again for pages to show. True when there are others than before. */
  refreshLayout(): boolean {
    const { host, guests, kernel } = this.lab.machine;
    if (kernel.nowNs === this.#blocksAtNs) return false;
    this.#blocksAtNs = kernel.nowNs;
    const blocks = memoryMap(host, guests);
    if (JSON.stringify(blocks) === JSON.stringify(this.#blocks)) return false;
    this.#blocks = blocks;
    return true;
  }

  /** The machine now, and what the journal says since the last time. */
  state(): MachineState {
    const { machine, latencies, fingerprint } = this.lab;
    const guests = machine.guests.map(({ domain, port, driver, spec }) => ({
      domain,
      port,
      driver,
      weight: spec.weight,
    }));
    return {
      snapshot: snapshotOf(machine.host, guests, this.#columns, latencies, this.#faults.count),
      ...pageStates(machine.host, this.#blocks),
      ...this.journal.take(),
      fingerprint,
    };
  }

  details(subject: Subject): Details {
    const { machine, transmitDiscipline, receiveDiscipline } = this.lab;
    return inspect(
      { host: machine.host, guests: machine.guests, transmitDiscipline, receiveDiscipline },
      subject,
    );
  }

  /** Follows the next frame that the guest of a column sends, or gets; none when it is undefined or no guest's. */
  follow(column: number | undefined, way: Direction = 'transmit'): void {
    this.#follower?.close();
    const guest = this.lab.machine.guests.find(({ domain }) => domain.id === column);
    this.#follower = guest === undefined ? undefined : new FrameFollower(this.lab.machine.host, guest, way);
  }

  get story(): FrameStory | undefined {
    return this.#follower?.story;
  }

  close(): void {
    this.#follower?.close();
    this.journal.close();
    this.#faults.close();
    this.lab.close();
  }
}
