import { describe, expect, it } from 'vitest';
import type { TimedMove } from '../../../../host/protection/driver-domain/bridge-moves.js';
import { DriverDomain } from '../../../../host/protection/driver-domain/driver-domain.js';
import type { NicInstruments } from '../../../../nic/host-port.js';
import { frame, Machine, macOf, PAGE, STRANGER } from '../../support/machine.js';

interface Seen {
  readonly what: 'posted' | 'fetched' | 'received';
  readonly numbers: readonly number[];
}

/** A machine whose instruments keep what they are told. */
function bench(transfer: 'copy' | 'flip', guests = 2) {
  const seen: Seen[] = [];
  const instruments: NicInstruments = {
    received: (...numbers) => seen.push({ what: 'received', numbers }),
    posted: (...numbers) => seen.push({ what: 'posted', numbers }),
    fetched: (...numbers) => seen.push({ what: 'fetched', numbers }),
  };
  const machine = new Machine(new DriverDomain({ transfer }), { instruments });
  const made = Array.from({ length: guests }, (_, index) => machine.guest(index + 1));
  machine.run();
  for (const guest of made)
    for (let count = 0; count < 8; count += 1) guest.postReceive({ address: guest.page(), length: PAGE });
  machine.run();
  const told: TimedMove[] = [];
  machine.host.protection.moves$.subscribe((move) => told.push(move));
  const numbersOf = (what: Seen['what']) => seen.filter((one) => one.what === what).map((one) => one.numbers);
  const trafficOf = (at: number) => {
    const guest = made[at];
    if (guest === undefined) throw new Error('no such guest');
    return machine.host.protection.intermediary.traffic(guest.port);
  };
  return { machine, guests: made, told, numbersOf, trafficOf };
}

describe.each(['copy', 'flip'] as const)('the books of a driver domain, by %s', (transfer) => {
  it('name the requests of each frame as the guest counts them, chains and single ones', () => {
    const { machine, guests, numbersOf } = bench(transfer, 1);
    const [guest] = guests;
    if (guest === undefined) throw new Error('no guest');
    const page = guest.page();
    guest.store(page, frame(STRANGER, macOf(1), 300));
    const { context } = guest.port;
    // Frames of two requests, one, three.
    const pieces = [2, 1, 3];
    for (const count of pieces) {
      const length = 300 / count;
      guest.post(
        ...Array.from({ length: count }, (_, at) => ({
          address: page + at * length,
          length,
          flags: at + 1 === count ? 1 : 0,
        })),
      );
      machine.run();
    }
    const firsts = [0, 2, 3];
    const expected = pieces.map((count, at) => [context, firsts[at], count]);
    expect(numbersOf('posted').map((numbers) => numbers.slice(0, 3))).toEqual(expected);
    expect(numbersOf('fetched').map((numbers) => numbers.slice(0, 3))).toEqual(expected);
    expect(machine.wire.frames.map(({ context: of, index }) => [of, index])).toEqual([
      [context, 1],
      [context, 2],
      [context, 5],
    ]);
  });

  it('say when a frame came in from the wire, of one page or of several, and of one between guests that it came now', () => {
    const { machine, guests, numbersOf } = bench(transfer);
    const arrivals: number[] = [];
    for (const length of [100, 9018, 60, 5000]) {
      arrivals.push(machine.kernel.nowNs);
      machine.arrive(frame(macOf(2), STRANGER, length));
      machine.run(300_000);
    }
    const fromWire = numbersOf('received');
    expect(fromWire.map(([, , length]) => length)).toEqual([100, 9018, 60, 5000]);
    expect(fromWire.map(([, last]) => last)).toEqual([0, 3, 4, 6]);
    for (const [at, [context, , , arrivedNs = 0, nowNs = 0]] of fromWire.entries()) {
      expect(context).toBe(guests[1]?.port.context);
      expect(arrivedNs).toBe(arrivals[at]);
      expect(nowNs).toBeGreaterThan(arrivedNs);
    }
    guests[1]?.receive();
    guests[1]?.postReceive({ address: guests[1].page(), length: PAGE });
    guests[0]?.send(frame(macOf(2), macOf(1), 222));
    machine.run();
    const [, , length, arrivedNs, nowNs] = numbersOf('received').at(-1) ?? [];
    expect([length, arrivedNs]).toEqual([222, nowNs]);
  });

  it('count for each guest what it has sent and got, on the wire and between guests, padded to 60 bytes', () => {
    const { machine, guests, trafficOf } = bench(transfer);
    const [one, two] = guests;
    one?.send(frame(STRANGER, macOf(1), 700));
    one?.send(frame(macOf(2), macOf(1), 20));
    one?.send(frame(macOf(2), macOf(1), 500));
    machine.arrive(frame(macOf(1), STRANGER, 800));
    machine.run();
    machine.arrive(frame(macOf(2), STRANGER, 90));
    machine.run();
    expect(two?.receive().map(({ length }) => length)).toEqual([20, 500, 90]);
    expect(trafficOf(0)).toEqual({
      framesTransmitted: 3,
      bytesTransmitted: 700 + 60 + 500,
      framesReceived: 1,
      bytesReceived: 800,
      drops: {},
    });
    expect(trafficOf(1)).toEqual({
      framesTransmitted: 0,
      bytesTransmitted: 0,
      framesReceived: 3,
      bytesReceived: 60 + 500 + 90,
      drops: {},
    });
  });

  it('count refusals on both sides of the rings, before and after the port is closed', () => {
    const { machine, guests } = bench(transfer);
    const [one, two] = guests;
    if (one === undefined || two === undefined) throw new Error('two guests');
    const { protection } = machine.host;
    const before = protection.counters().accepted;
    const foreign = two.page();
    // Refused by the guest's own code, twice; refused at the other end, once.
    one.post({ address: foreign, length: 0 });
    one.postReceive({ address: foreign, length: 0 });
    one.post({ address: foreign, length: 100 });
    machine.run();
    expect(protection.counters()).toMatchObject({ accepted: before + 1, refused: 3 });
    protection.closePort(one.port);
    machine.run();
    expect(protection.counters()).toMatchObject({ accepted: before + 1, refused: 3 });
  });
});

describe('the moves of a frame through a driver domain', () => {
  it('are told in the order in which they happen, sent and received, by copy', () => {
    const { machine, guests, told } = bench('copy', 1);
    const [guest] = guests;
    const port = guest?.port.context;
    guest?.send(frame(STRANGER, macOf(1), 100));
    machine.run();
    const happened = () =>
      told
        .splice(0)
        .filter(({ kind }) => kind !== 'served')
        .map(({ atNs: _atNs, ...move }) => move);
    expect(happened()).toMatchObject([
      { kind: 'requested', port, first: 0, count: 1 },
      { kind: 'rang', port },
      { kind: 'grant', operation: 'copy-out', reference: 0, length: 100, refusal: undefined },
      { kind: 'taken', port, first: 0, count: 1 },
      { kind: 'sent', port, descriptor: 0 },
      { kind: 'answered', port, first: 0, count: 1 },
      { kind: 'told', port },
    ]);
    machine.arrive(frame(macOf(1), STRANGER, 90));
    machine.run();
    expect(happened()).toMatchObject([
      { kind: 'collected', descriptor: 0 },
      { kind: 'grant', operation: 'copy-in', length: 90, refusal: undefined },
      { kind: 'delivered', port, request: 0, bytes: 90 },
      { kind: 'told', port },
    ]);
    machine.arrive(frame(macOf(77), STRANGER, 90));
    machine.run();
    expect(happened()).toMatchObject([
      { kind: 'collected', descriptor: 1 },
      { kind: 'dropped', port: -1, reason: 'unknown-destination' },
    ]);
  });

  it('name what was refused and why', () => {
    const { machine, guests, told } = bench('copy');
    const [one, two] = guests;
    const page = two?.page() ?? 0;
    one?.post({ address: page, length: 100 });
    machine.run();
    expect(told.find(({ kind }) => kind === 'grant')).toMatchObject({
      operation: 'copy-out',
      owner: one?.domain.id,
      page: page / PAGE,
      refusal: 'not-owner',
    });
  });

  it('answer a mapped frame when it has left, and not before', () => {
    const { machine, guests, told } = bench('flip', 1);
    guests[0]?.send(frame(STRANGER, macOf(1), 1500));
    machine.run();
    const order = told
      .map(({ kind }) => kind)
      .filter((kind) => ['sent', 'answered', 'served'].includes(kind));
    expect(order.slice(0, 2)).toEqual(['sent', 'served']);
    expect(order.filter((kind) => kind === 'answered')).toHaveLength(1);
  });
});

describe('memory of a driver domain', () => {
  it('has a buffer for each slot of the card to copy frames to, and none where frames are mapped', () => {
    const pagesOf = (transfer: 'copy' | 'flip') =>
      new Machine(new DriverDomain({ transfer, slots: 128 })).host.protection.domain.ownedPages.size;
    // A frame of 9,018 bytes needs three pages.
    expect(pagesOf('copy') - pagesOf('flip')).toBe(3 * 128);
  });
});
