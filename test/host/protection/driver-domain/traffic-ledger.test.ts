import { describe, expect, it } from 'vitest';
import { BRIDGE_DROPS } from '../../../../host/protection/driver-domain/bridge-drops.js';
import { TrafficLedger } from '../../../../host/protection/driver-domain/traffic-ledger.js';
import { PlainDma } from '../../../../host/protection/none/plain-dma.js';
import type { NicInstruments, WirePort } from '../../../../nic/host-port.js';
import { contextId, NO_CONTEXT } from '../../../../scheduler/branded.js';
import { present } from '../../../../scheduler/present.js';
import { Machine } from '../../support/machine.js';

const SLOTS = 8;
/** The guests' ports, and the card's own context, by whose number no guest is known. */
const [A, B, CARD] = [contextId(0), contextId(1), contextId(9)];
const BYTES = Uint8Array.of(1, 2, 3);

function bench() {
  const machine = new Machine(new PlainDma());
  const { kernel, host } = machine;
  const ledger = new TrafficLedger(kernel, host.processor, SLOTS);
  const out: unknown[][] = [];
  const far: WirePort = {
    transmitted: (...all) => out.push(['frame', ...all.slice(1)]),
    controlSent: (...all) => out.push(['control', ...all.slice(1)]),
  };
  const seen: unknown[][] = [];
  const instruments: NicInstruments = {
    received: (...all) => seen.push(['received', ...all]),
    posted: (...all) => seen.push(['posted', ...all]),
    fetched: (...all) => seen.push(['fetched', ...all]),
  };
  const ports = [machine.guest(1), machine.guest(2)].map(({ port }) => port);
  const traffic = (of: typeof A) => ledger.traffic(present(ports[of]));
  return { machine, ledger, wire: ledger.wire(far), out, instruments, seen, traffic };
}

describe('the ledger of a driver domain', () => {
  it('knows whose frame leaves by the slot of its last descriptor, also when the ring has wrapped', () => {
    const { ledger, wire, out, traffic } = bench();
    ledger.took(A, 0, 1);
    ledger.took(B, 5, 3);
    ledger.sends(2, A, 0);
    ledger.sends(SLOTS + 5, B, 7);
    expect(ledger.framesBetween).toBe(2);
    wire.transmitted(BYTES, 0, 60, CARD, 2, { startNs: 10, endNs: 20 });
    wire.transmitted(BYTES, 1, 1514, CARD, SLOTS + 5, { startNs: 30, endNs: 40 });
    expect(out).toEqual([
      ['frame', 0, 60, A, 0, { startNs: 10, endNs: 20 }],
      ['frame', 1, 1514, B, 7, { startNs: 30, endNs: 40 }],
    ]);
    expect([ledger.framesBetween, ledger.framesTaken]).toEqual([0, 2]);
    expect(traffic(B)).toEqual({
      framesTransmitted: 1,
      bytesTransmitted: 1514,
      framesReceived: 0,
      bytesReceived: 0,
      drops: {},
    });
  });

  it('passes the card’s own control frames on, to a wire that wants them and to one that does not', () => {
    const { ledger, wire, out } = bench();
    wire.controlSent?.(BYTES, 0, 60, 5, 6);
    expect(out).toEqual([['control', 0, 60, 5, 6]]);
    const plain = ledger.wire({ transmitted: () => undefined });
    expect(() => plain.controlSent?.(BYTES, 0, 60, 5, 6)).not.toThrow();
  });

  it('remembers when the frame in a slot of the receive ring came in', () => {
    const { ledger, instruments } = bench();
    const card = ledger.instruments(instruments);
    card.received(CARD, 3, 100, 1_000, 1_500);
    card.received(CARD, SLOTS + 4, 100, 2_000, 2_500);
    expect([ledger.arrivedNs(3), ledger.arrivedNs(4), ledger.arrivedNs(SLOTS + 3)]).toEqual([
      1_000, 2_000, 1_000,
    ]);
  });

  it('tells instruments under the guest’s name, with the time at which it happens, or at which it came in', () => {
    const { machine, ledger, instruments, seen } = bench();
    machine.run(5_000);
    const { nowNs } = machine.kernel;
    ledger.posted(A, 3, 2);
    ledger.took(A, 3, 2);
    ledger.delivered(A, 1, 90, undefined);
    expect(seen, 'nobody listens').toEqual([]);
    ledger.instruments(instruments);
    ledger.posted(A, 3, 2);
    ledger.took(A, 3, 2);
    ledger.delivered(A, 1, 90, undefined);
    ledger.delivered(B, 2, 91, 77);
    expect(seen).toEqual([
      ['posted', A, 3, 2, nowNs],
      ['fetched', A, 3, 2, nowNs],
      ['received', A, 1, 90, nowNs, nowNs],
      ['received', B, 2, 91, 77, nowNs],
    ]);
  });

  it('tells them the time of the work that it is told in, as far as that has come', () => {
    const { machine, ledger, instruments, seen } = bench();
    const { kernel, host } = machine;
    ledger.instruments(instruments);
    const account = host.createGuest('worker', 1).account;
    machine.run(5_000);
    let atNs = 0;
    host.processor.post(account, () => {
      atNs = kernel.nowNs + 700;
      host.processor.spin(account, 700);
      ledger.posted(A, 3, 2);
      ledger.took(A, 3, 2);
      ledger.delivered(A, 1, 90, undefined);
    });
    machine.run(5_000);
    expect(seen).toEqual([
      ['posted', A, 3, 2, atNs],
      ['fetched', A, 3, 2, atNs],
      ['received', A, 1, 90, atNs, atNs],
    ]);
  });

  it('counts a frame between guests as sent and received, padded to 60 bytes', () => {
    const { ledger, traffic } = bench();
    for (const length of [20, 60, 61]) {
      ledger.bridged(A, length);
      ledger.delivered(B, 0, length, undefined);
    }
    expect(traffic(A)).toMatchObject({ framesTransmitted: 3, bytesTransmitted: 181, framesReceived: 0 });
    expect(traffic(B)).toMatchObject({ framesReceived: 3, bytesReceived: 181, framesTransmitted: 0 });
  });

  it('counts drops by reason, of the port that they concern and in all', () => {
    const { ledger, traffic } = bench();
    expect(Object.keys(ledger.drops)).toEqual([...BRIDGE_DROPS]);
    expect(ledger.dropped).toBe(0);
    ledger.drop('bad-grant', A);
    ledger.drop('bad-grant', A);
    ledger.drop('no-receive-buffer', A);
    ledger.drop('unknown-destination', NO_CONTEXT);
    expect(ledger.dropped).toBe(4);
    expect(ledger.drops).toMatchObject({ 'bad-grant': 2, 'no-receive-buffer': 1, 'unknown-destination': 1 });
    expect(traffic(A).drops).toEqual({ 'bad-grant': 2, 'no-receive-buffer': 1 });
    expect(traffic(B).drops).toEqual({});
  });

  it('tells of moves only while they are looked at, at the time of the work that makes them', () => {
    const { machine, ledger } = bench();
    const { kernel, host } = machine;
    const told: unknown[] = [];
    const account = host.createGuest('worker', 1).account;
    ledger.took(A, 0, 1);
    const taps = ledger.moves.moves$.subscribe((move) => told.push(move));
    let started = 0;
    host.processor.post(account, () => {
      started = kernel.nowNs;
      host.processor.spin(account, 500);
      ledger.posted(A, 1, 1);
      ledger.took(A, 1, 1);
      ledger.sends(4, A, 1);
      ledger.delivered(B, 2, 99, undefined);
      ledger.drop('bad-frame', A);
    });
    machine.run(10_000);
    const atNs = started + 500;
    expect(told).toEqual([
      { kind: 'requested', port: A, first: 1, count: 1, atNs },
      { kind: 'taken', port: A, first: 1, count: 1, atNs },
      { kind: 'sent', port: A, descriptor: 4, atNs },
      { kind: 'delivered', port: B, request: 2, bytes: 99, atNs },
      { kind: 'dropped', port: A, reason: 'bad-frame', atNs },
    ]);
    taps.unsubscribe();
    ledger.took(A, 2, 1);
    expect(told).toHaveLength(5);
  });
});
