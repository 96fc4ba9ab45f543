import { describe, expect, test } from 'vitest';
import { FrameVerifier } from '../../guests/traffic/index.js';
import { pageNumber } from '../../nic/addresses.js';
import type { GuestRun } from '../../src/machine/guest-run.js';
import type { Machine } from '../../src/machine/machine.js';
import { checkScenario } from '../../src/scenario/load.js';
import { approaches, plans } from '../arbitraries/scenarios.js';
import { some } from '../support/whole.js';
import { LawBook } from './law-book.js';
import { LawMachine } from './law-machine.js';

const laws = new LawBook('conservation');

const sizes = [14, 60, 1514, 2048, 2049, 4097, 9018].map((bytes) => ({ bytes, count: 1 }));
const EVERY_SIZE = checkScenario({
  guests: [
    {
      traffic: { kind: 'greedy', frameBytes: sizes },
      receive: { kind: 'greedy', frameBytes: sizes },
      memoryMegabytes: 8,
    },
    {
      traffic: { kind: 'greedy', frameBytes: 60, to: 'guest0' },
      receive: { kind: 'greedy', frameBytes: 9018 },
      memoryMegabytes: 8,
    },
    {
      traffic: { kind: 'poisson', wireRateBps: 5e8, frameBytes: sizes },
      bufferBytes: 4096,
      memoryMegabytes: 8,
    },
  ],
  host: { memoryMegabytes: 64, cores: 4 },
});

/** What became of frames, told by the card's streams, one line per context; -1 are those for no context. */
class Ledger {
  readonly transmitted = new Map<number, number>();
  readonly transmitDrops = new Map<number, number>();
  received = 0;
  receiveDrops = 0;
  switched = 0;

  constructor(machine: Machine) {
    const { streams } = machine.host.nic;
    streams.frames$.subscribe(({ direction, context, switched }) => {
      if (direction === 'receive') this.received += 1;
      else this.transmitted.set(context, (this.transmitted.get(context) ?? 0) + 1);
      if (direction === 'transmit' && switched) this.switched += 1;
    });
    streams.drops$.subscribe(({ direction, context }) => {
      if (direction === 'receive') this.receiveDrops += 1;
      else this.transmitDrops.set(context, (this.transmitDrops.get(context) ?? 0) + 1);
    });
  }

  sum(map: ReadonlyMap<number, number>): number {
    return [...map.values()].reduce((total, count) => total + count, 0);
  }
}

/** Frames that are posted and not yet known to have left or been dropped: never negative, never more than the ring holds. */
function inRing({ driver, port }: GuestRun, ledger: Ledger): number {
  const gone = (ledger.transmitted.get(port.context) ?? 0) + (ledger.transmitDrops.get(port.context) ?? 0);
  return driver.framesPosted - gone;
}

function checkFrames(law: LawMachine, ledger: Ledger): void {
  const { host, partner, guests } = law.machine;
  const { nic } = host;
  for (const guest of guests) {
    const { driver } = guest;
    driver.checkInvariants();
    // Ports that share a context (a driver domain's front ends) have no books of their own on the card.
    if (nic.contexts[guest.port.context] === undefined) continue;
    const between = inRing(guest, ledger);
    if (between < 0 || between > driver.framesQueued + driver.drops['port-closed']) {
      throw new Error(
        `${guest.name}: ${between} frames are neither gone nor in its ring of ${driver.framesQueued}`,
      );
    }
  }
  const onWire = law.wire.length;
  if (partner.framesFromNic !== onWire) throw new Error(`${onWire} left, ${partner.framesFromNic} came out`);
  if (ledger.sum(ledger.transmitted) !== onWire + ledger.switched)
    throw new Error(
      `${ledger.sum(ledger.transmitted)} transmitted, ${onWire} on the wire, ${ledger.switched} switched`,
    );
  partner.checkInvariants();
  const { receive, switching } = nic.framesInside;
  const { copies } = nic.frameTally;
  const outcomes = ledger.received + ledger.receiveDrops + receive;
  const arrivals = law.arrived + nic.counters.total('framesSwitched') - switching;
  // One frame for several contexts has an outcome for each of them; only a promiscuous one makes it several here.
  if (!guests.some(({ spec }) => spec.promiscuous) && copies !== 0)
    throw new Error(`${copies} copies of frames that are for one context each`);
  if (outcomes !== arrivals + copies)
    throw new Error(`${arrivals} frames arrived, ${outcomes} have an outcome`);
}

function checkPins({ host }: Machine): void {
  const { pages } = host;
  let references = 0;
  for (let frame = 0; frame < pages.pageCount; frame += 1) references += pages.count(pageNumber(frame));
  if (pages.pinsTaken - pages.pinsReleased !== references)
    throw new Error(`${pages.pinsTaken} pins taken, ${pages.pinsReleased} released, ${references} held`);
}

describe('law 3: nothing vanishes', () => {
  laws.law(
    'frames in = frames out + dropped by name + queued, both ways, after every event',
    plans({ maxNs: 400_000 }),
    20,
    (plan, substance) => {
      const law = new LawMachine(plan);
      const ledger = new Ledger(law.machine);
      law.walk(plan.durationNs, (events) => {
        checkFrames(law, ledger);
        // Every part looks at itself, which costs more: now and then, at no round number of events.
        if (events % 61 === 0) law.machine.checkInvariants();
      });
      checkFrames(law, ledger);
      law.machine.checkInvariants();
      expect(law.wire.filter(({ verdict }) => verdict !== 'good')).toEqual([]);
      if (law.wire.length > 5 && ledger.received > 5) substance();
    },
  );

  laws.law(
    'pins taken = pins released + held by a page, at any moment; none is left once every port is closed',
    plans({ maxGuests: 6, maxNs: 400_000 }),
    20,
    (plan, substance) => {
      const law = new LawMachine(plan);
      const { machine } = law;
      const { pages, protection } = machine.host;
      const pieces = 23;
      for (let piece = 1; piece <= pieces; piece += 1) {
        machine.run(Math.floor((plan.durationNs * piece) / pieces));
        checkPins(machine);
      }
      if (machine.guests.some(({ driver }) => driver.framesSent > 0)) substance();
      for (const { driver, port } of machine.guests) {
        driver.close();
        protection.closePort(port);
      }
      machine.partner.close();
      machine.run(plan.durationNs + 50_000_000);
      checkPins(machine);
      machine.checkInvariants();
      expect(pages.pinsTaken - pages.pinsReleased).toBe(0);
      expect(machine.host.nic.framesInside).toEqual({ transmit: 0, receive: 0, switching: 0 });
    },
  );

  laws.law(
    'when sources fall silent everything that was under way arrives: nothing waits for ever',
    plans({ maxGuests: 6, maxNs: 400_000 }),
    20,
    (plan, substance) => {
      const law = new LawMachine(plan);
      const { machine } = law;
      machine.run(plan.durationNs);
      for (const { driver } of machine.guests) driver.close();
      machine.partner.close();
      machine.run(plan.durationNs + 50_000_000);
      for (const { driver, name } of machine.guests) expect(driver.framesQueued, name).toBe(0);
      expect(machine.host.nic.framesInside).toEqual({ transmit: 0, receive: 0, switching: 0 });
      expect(machine.partner.framesWaiting).toBe(0);
      for (const { driver, port, name } of machine.guests) {
        expect(driver.framesReceived, name).toBe(machine.host.trafficOf(port).framesReceived);
      }
      machine.checkInvariants();
      if (law.wire.length > 5) substance();
    },
  );

  test.each(some(approaches).map((approach) => [approach.name, approach] as const))(
    'every frame on the wire is whole, byte for byte: %s',
    (_name, approach) => {
      const law = new LawMachine({
        scenario: EVERY_SIZE,
        approach,
        discipline: 'drr',
        seed: 1,
        durationNs: 0,
      });
      const verifier = new FrameVerifier();
      const received: string[] = [];
      for (const { driver } of law.machine.guests) {
        driver.onReceive((bytes, offset, length) => {
          received.push(verifier.verify(bytes, offset, length));
          return undefined;
        });
      }
      law.machine.run(3_000_000);
      expect(law.wire.length).toBeGreaterThan(80);
      expect(law.wire.filter(({ verdict }) => verdict !== 'good')).toEqual([]);
      expect(received.length).toBeGreaterThan(100);
      expect(received.filter((verdict) => verdict !== 'good')).toEqual([]);
    },
  );

  laws.close();
});
