import { HostileGuest } from '../../../guests/hostile/index.js';
import { fixedSize } from '../../../guests/traffic/frame-sizes.js';
import { constantRate, greedy } from '../../../guests/traffic/generated-sources.js';
import { COST } from '../../../host/cpu/costs.js';
import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import { FLAG_END_OF_PACKET, MAX_FRAME_BYTES } from '../../../nic/descriptor.js';
import { MAILBOX } from '../../../nic/registers.js';
import { present } from '../../../scheduler/present.js';
import type { GuestRun } from '../../machine/guest-run.js';
import type { Machine } from '../../machine/machine.js';

/** Who turns on whom. */
export interface Turn {
  readonly machine: Machine;
  readonly neighbour: GuestRun;
  readonly victim: GuestRun;
}

/** What the neighbour does after it has turned hostile. */
export interface Hostility {
  readonly name: string;
  /** One line. */
  readonly meaning: string;
  /** What guests share that it is aimed at: disciplines speak of the wire, and contexts separate the card's resources. */
  readonly against: 'wire' | 'card' | 'receivers';
  /** Where nothing guards memory its frames leave: then it is against the wire as well. */
  readonly floodsUnguarded?: boolean;
  /** Frames between guests stay inside the card, from the beginning. */
  readonly switching?: boolean;
  /** Begins; what it sets off goes on to the end of the run. */
  readonly begin: (turn: Turn) => void;
}

/** A station address that the far end does not have: what is sent there is gone. */
const NOWHERE_MAC = 0x020000020001;
const BROADCAST = 0xffffffffffff;
/** Source id of frames of the hostile kind. */
const HOSTILE_SOURCE = 0x4000;
/** Time for what the neighbour's own driver had under way, ns. */
const LEAVE_NS = 1_000_000;
/** What one unit of the neighbour's work does. */
const AT_ONCE = 16;
const TINY_BYTES = 60;
/** Beyond the RAM of every machine, and within what a descriptor can say. */
const NO_RAM = 2 ** 50;

/** Every hostility; the first is played against every discipline. */
export const HOSTILITIES: readonly Hostility[] = [
  {
    name: 'jumbo-flood',
    against: 'wire',
    meaning: `frames of ${MAX_FRAME_BYTES} bytes without a pause`,
    begin: (turn) => flood(turn, MAX_FRAME_BYTES),
  },
  {
    name: 'flood',
    against: 'wire',
    meaning: 'frames of 1514 bytes without a pause',
    begin: (turn) => flood(turn, 1514),
  },
  {
    name: 'tiny-flood',
    against: 'wire',
    meaning: `frames of ${TINY_BYTES} bytes without a pause, an interrupt asked for with each`,
    begin: (turn) => {
      const { host } = turn.machine;
      const { context } = turn.neighbour.port;
      if (context < host.nic.contexts.length) {
        const { id } = turn.neighbour.domain;
        host.window.write(id, context, MAILBOX.COALESCE_FRAMES * 4, 1);
        host.window.write(id, context, MAILBOX.COALESCE_NS * 4, 0);
      }
      flood(turn, TINY_BYTES);
    },
  },
  {
    name: 'broadcast-flood',
    against: 'receivers',
    meaning: `broadcast frames of ${TINY_BYTES} bytes at two fifths of the wire; the card hands them to every guest`,
    switching: true,
    begin: ({ machine, neighbour }) =>
      neighbour.driver.attach(
        constantRate({
          ...hostileFrames(neighbour, BROADCAST, TINY_BYTES),
          kernel: machine.kernel,
          wireRateBps: 400e6,
        }),
      ),
  },
  {
    name: 'doorbell-storm',
    against: 'card',
    meaning: 'doorbells without end, with nothing behind them',
    begin: (turn) => {
      const hostile = takeOver(turn);
      const { producer } = hostile.port.transmit;
      storm(turn, () => hostile.doorbell('transmit', producer));
    },
  },
  {
    name: 'foreign-descriptors',
    against: 'card',
    floodsUnguarded: true,
    meaning: "descriptors for a page of the victim's are handed over as they should be, again and again",
    begin: (turn) => {
      const hostile = takeOver(turn);
      const foreign = foreignPage(turn);
      storm(turn, () => {
        const { transmit } = hostile.port;
        const header = hostile.header(NOWHERE_MAC);
        if (hostile.ask('transmit', [header, last(foreign, 512)])) transmit.ring();
        transmit.finish(transmit.consumer());
      });
    },
  },
  {
    name: 'faulting-dma',
    against: 'card',
    floodsUnguarded: true,
    meaning:
      "entries of the ring are rewritten past every gate: a header of its own, then a page of the victim's",
    begin: (turn) => {
      const hostile = takeOver(turn);
      const foreign = foreignPage(turn);
      forgeAndRing(turn, hostile, foreign, 512);
    },
  },
  {
    name: 'garbage-descriptors',
    against: 'card',
    meaning: 'the same, to addresses without RAM',
    begin: (turn) => forgeAndRing(turn, takeOver(turn), NO_RAM, 512),
  },
  {
    name: 'sequence-fault',
    against: 'card',
    meaning: 'the producer index is pushed past the last entry into those of the lap before, again and again',
    begin: (turn) => {
      const hostile = takeOver(turn);
      const { transmit } = hostile.port;
      let claimed = transmit.producer;
      storm(turn, () => {
        claimed = (claimed + 1) >>> 0;
        hostile.doorbell('transmit', claimed);
      });
    },
  },
  {
    name: 'map-storm',
    against: 'wire',
    meaning: `frames of ${TINY_BYTES} bytes, each handed over and taken back by itself: with an IOMMU an invalidation each`,
    begin: (turn) => {
      const hostile = takeOver(turn);
      storm(turn, () => {
        const { transmit } = hostile.port;
        const header = hostile.header(NOWHERE_MAC);
        if (hostile.ask('transmit', [{ ...header, flags: FLAG_END_OF_PACKET }])) transmit.ring();
        transmit.finish(transmit.consumer());
      });
    },
  },
];

const last = (address: number, length: number) => ({ address, length, flags: FLAG_END_OF_PACKET });

function hostileFrames(neighbour: GuestRun, destination: number, bytes: number) {
  return {
    name: 'hostile',
    sourceId: HOSTILE_SOURCE,
    source: neighbour.mac,
    destination,
    sizes: fixedSize('hostile', bytes),
  };
}

function flood({ neighbour }: Turn, bytes: number): void {
  neighbour.driver.attach(greedy(hostileFrames(neighbour, NOWHERE_MAC, bytes)));
}

/** The driver finishes what it has begun and is closed; from then on its rings are written directly. */
function takeOver({ machine, neighbour }: Turn): HostileGuest {
  neighbour.driver.close();
  machine.run(machine.kernel.nowNs + LEAVE_NS);
  neighbour.port.onInterrupt(() => undefined);
  return new HostileGuest(machine.host, neighbour.domain, neighbour.port);
}

/** A page of the victim's that is no buffer. */
function foreignPage({ victim }: Turn): number {
  return present(victim.domain.allocate(1)[0]) * PAGE_BYTES;
}

/** Does work on the neighbour's own CPU time, from now on and without end. */
function storm({ machine, neighbour }: Turn, work: () => void): void {
  const { processor } = machine.host;
  const { account } = neighbour.domain;
  const again = () => {
    for (let count = 0; count < AT_ONCE; count += 1) {
      // What the loop itself costs, so that time goes on where nothing else is charged.
      processor.charge(COST.writeDescriptor);
      work();
    }
    processor.post(account, again);
  };
  processor.post(account, again);
}

/** Frames whose second part is foreign. The header it may name, so that it is not the header that stops them. */
function forgeAndRing(turn: Turn, hostile: HostileGuest, address: number, length: number): void {
  const { transmit } = hostile.port;
  const header = hostile.header(NOWHERE_MAC);
  let next = transmit.producer;
  // Never finished, so what it was set up with stays.
  const setUp = hostile.ask('transmit', [{ ...header, flags: FLAG_END_OF_PACKET }]);
  const known = setUp ? hostile.raw.busAddress('transmit', next, header.address) : header.address;
  storm(turn, () => {
    // More than the ring holds would be another fault.
    if (((next - transmit.consumer()) >>> 0) + 2 <= transmit.slots) {
      hostile.forge('transmit', next, { ...header, address: known });
      hostile.forge('transmit', next + 1, last(address, length));
      next = (next + 2) >>> 0;
    }
    hostile.doorbell('transmit', next);
  });
}
