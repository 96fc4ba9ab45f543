import { NO_CONTEXT } from '../../../scheduler/branded.js';
import { present } from '../../../scheduler/present.js';
import { total } from '../../../scheduler/tally.js';
import { Columns, type ShownGuest } from '../../lab/columns.js';
import { FaultCount } from '../../lab/fault-count.js';
import { type Details, inspect, type Section, type Subject } from '../../lab/inspect.js';
import { Journal } from '../../lab/journal.js';
import type { MachineLayout, MachineState } from '../../lab/machine-state.js';
import { type PageBlock, pageStates } from '../../lab/memory-map.js';
import type { Counts, ServedState } from '../../lab/protocol.js';
import { type GuestState, machineSnapshot } from '../../lab/snapshot.js';
import type { LiveGuest } from '../live-guest.js';
import { stateOf } from '../server/live-sample.js';
import { liveMemoryMap } from './live-memory-map.js';
import type { ServedSession } from './served-session.js';

/** Least time between two looks at all of memory, ns of the session. */
const LAYOUT_NS = 2_000_000_000;

/** What a page of the lab is shown of a session with real guests. Looking changes nothing that a replay would notice. */
export class LiveView {
  readonly #served: ServedSession;
  readonly #journal: Journal;
  readonly #columns: Columns;
  readonly #faults: FaultCount;
  #blocks: readonly PageBlock[];
  #blocksAtNs: number;

  constructor(served: ServedSession) {
    this.#served = served;
    const { host, kernel } = served.machine;
    const guests = () => this.#shown();
    this.#columns = new Columns(host, guests);
    this.#journal = new Journal(host, guests);
    this.#faults = new FaultCount(host);
    this.#blocks = liveMemoryMap(host, this.#shown());
    this.#blocksAtNs = kernel.nowNs;
  }

  get counts(): Counts {
    const { host, kernel } = this.#served.machine;
    return {
      event: kernel.executed,
      frame: host.nic.counters.total('framesTransmitted'),
      fault: this.#faultCount(),
    };
  }

  get layout(): MachineLayout {
    const { subject } = this.#served;
    return {
      approach: subject.protection,
      discipline: subject.discipline,
      blocks: this.#blocks,
      endNs: Number.MAX_SAFE_INTEGER,
    };
  }

  /** Looks for pages to show, from time to time. True when there are others than before. */
  refreshLayout(): boolean {
    const { host, kernel } = this.#served.machine;
    if (kernel.nowNs - this.#blocksAtNs < LAYOUT_NS) return false;
    this.#blocksAtNs = kernel.nowNs;
    const blocks = liveMemoryMap(host, this.#shown());
    if (JSON.stringify(blocks) === JSON.stringify(this.#blocks)) return false;
    this.#blocks = blocks;
    return true;
  }

  /** The machine now, and what the journal says since the last time. */
  state(): MachineState {
    const { machine } = this.#served;
    const guests = [...this.#modelled(), ...this.#real()].sort((one, other) => one.column - other.column);
    return {
      snapshot: machineSnapshot(machine.host, guests, this.#columns, this.#faultCount()),
      ...pageStates(machine.host, this.#blocks),
      ...this.#journal.take(),
      fingerprint: machine.fingerprint.toString(),
    };
  }

  servedState(): ServedState {
    const { machine, capturing } = this.#served;
    return {
      policy: machine.host.hypervisor.faultPolicy,
      ...(capturing === undefined ? {} : { capture: capturing }),
      guests: machine.guests.map((guest) => ({ column: guest.domain.id, state: stateOf(guest) })),
    };
  }

  /** What is known of a subject. A look that fails says so in its place: it is no reason to end a session with real guests. */
  details(subject: Subject): Details {
    try {
      return this.#look(subject);
    } catch (error) {
      return {
        title: 'Not readable',
        about: `${subject.kind}: ${error instanceof Error ? error.message : String(error)}`,
        sections: [],
      };
    }
  }

  close(): void {
    this.#journal.close();
    this.#faults.close();
  }

  #look(subject: Subject): Details {
    const { machine, transmitDiscipline, receiveDiscipline } = this.#served;
    const { host } = machine;
    const found = this.#served.look(() =>
      inspect({ host, guests: this.#shown(), transmitDiscipline, receiveDiscipline }, subject),
    );
    const guest =
      subject.kind === 'domain' ? machine.guests.find(({ domain }) => domain.id === subject.id) : undefined;
    return guest === undefined
      ? found
      : { ...found, sections: [...found.sections, ...virtualMachineSections(guest)] };
  }

  /** What went wrong in the machine, and what drivers and clients of real guests did wrong. */
  #faultCount(): number {
    const { guests } = this.#served.machine;
    return guests.reduce(
      (sum, { device, sessionFaults }) => sum + total(known(device.faults)) + total(known(sessionFaults)),
      this.#faults.count,
    );
  }

  /** Guests that have a port now. */
  #shown(): ShownGuest[] {
    const { machine } = this.#served;
    return [
      ...machine.machine.guests,
      ...machine.guests.flatMap(({ domain, device: { port } }) =>
        port === undefined ? [] : [{ domain, port }],
      ),
    ];
  }

  /** Guests of the same card that are not real. Their latencies are not kept. */
  #modelled(): GuestState[] {
    const { machine } = this.#served;
    return machine.machine.guests.map(({ domain, port, driver, spec }) => {
      const { bytesTransmitted, framesTransmitted, bytesReceived, framesReceived, drops } =
        machine.host.trafficOf(port);
      return {
        column: domain.id,
        context: port.context,
        weight: spec.weight,
        ...{ bytesTransmitted, framesTransmitted, bytesReceived, framesReceived },
        framesQueued: driver.framesQueued,
        drops: total(drops) + total(driver.drops),
        latencies: undefined,
      };
    });
  }

  /** Real guests: what each has had through all its contexts. */
  #real(): GuestState[] {
    const { machine, latencies } = this.#served;
    return machine.guests.map((guest: LiveGuest, number) => {
      const counts = present(machine.tallies[number]).counts(machine.kernel.nowNs);
      return {
        column: guest.domain.id,
        context: guest.device.port?.context ?? NO_CONTEXT,
        weight: guest.device.share.now.weight,
        bytesTransmitted: counts.bytesSent,
        framesTransmitted: counts.framesSent,
        bytesReceived: counts.bytesReceived,
        framesReceived: counts.framesReceived,
        framesQueued: 0,
        drops: total(counts.drops),
        latencies: latencies.of(number),
      };
    });
  }
}

/** What is known of the virtual machine behind a domain. */
function virtualMachineSections(guest: LiveGuest): Section[] {
  const { device, attachments, messages, sessionFaults } = guest;
  const faults = { ...known(device.faults), ...known(sessionFaults) };
  return [
    {
      title: 'Virtual machine',
      head: ['', ''],
      rows: [
        ['state', stateOf(guest)],
        ['attached so far', String(attachments)],
        ['messages', String(messages)],
        ['last fault of its driver', device.lastFault ?? 'none since the last reset'],
      ],
    },
    {
      title: 'Front end',
      about: 'What the virtio device has done for its driver.',
      head: ['', ''],
      rows: Object.entries(device.counters).map(([name, count]) => [name, String(count)]),
    },
    {
      title: 'Faults of driver and client',
      head: ['', ''],
      rows: Object.entries(faults).map(([name, count]) => [name, String(count)]),
    },
  ];
}

/** Counts by name without those that are absent. */
function known(counts: Readonly<Partial<Record<string, number>>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counts).flatMap(([name, count]) => (count === undefined ? [] : [[name, count]])),
  );
}
