import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CALL_REGISTERS, COUNTERS_OFFSET, PAGE_COUNTERS } from '../../guests/card/call-registers.js';
import { CARD_IDENTITY } from '../../guests/card/card-function.js';
import { MAILBOX_REGISTERS, SHARED_MEMORY_OFFSET } from '../../nic/registers.js';
import { runs } from '../support/whole.js';
import { type CardDriver, cardLab, PAGE, RESULT } from './support/card-driver.js';
import { words } from './support/client.js';
import { ethernet } from './support/driver.js';
import { GUEST_BYTES, MAC } from './support/lab.js';

const ONES = 0xffffffff;

function opened(protection = 'cdna'): ReturnType<typeof cardLab> & { first: CardDriver } {
  const made = cardLab({ protection });
  for (const driver of made.drivers) driver.start();
  return { ...made, first: made.drivers[0] as CardDriver };
}

describe('configuration space of the card', () => {
  const { first } = opened();
  const configuration = (offset: number, bytes: number) => first.client.read(7, offset, bytes);

  it('has the identity of an Ethernet controller and one capability: MSI with a 64-bit address and one message', () => {
    expect(configuration(0x00, 2)).toBe(CARD_IDENTITY.vendor);
    expect(configuration(0x02, 2)).toBe(CARD_IDENTITY.device);
    expect(configuration(0x09, 3)).toBe(0x020000);
    expect(configuration(0x06, 2) & 0x10).toBe(0x10);
    const at = configuration(0x34, 1);
    expect([configuration(at, 1), configuration(at + 1, 1)]).toEqual([0x05, 0]);
    // Message control: enabled, one message (bits 3:1 are 0), 64-bit address, no masks per vector (PCI 3.0, 6.8.1.3).
    expect(configuration(at + 2, 2)).toBe(0x0081);
  });

  it('BARs of 4 KB, 4 KB and the size of the rings say their size when ones are written', () => {
    for (const [bar, bytes] of [
      [0, 0x1000],
      [1, 0x1000],
      [2, 0x4000],
    ] as const) {
      const before = configuration(0x10 + 4 * bar, 4);
      first.client.write(7, 0x10 + 4 * bar, ONES, 4);
      expect(configuration(0x10 + 4 * bar, 4)).toBe(2 ** 32 - bytes);
      first.client.write(7, 0x10 + 4 * bar, before, 4);
    }
    for (const bar of [3, 4, 5]) {
      first.client.write(7, 0x10 + 4 * bar, ONES, 4);
      expect(configuration(0x10 + 4 * bar, 4)).toBe(0);
    }
  });

  it('offers one MSI and neither INTx nor MSI-X', () => {
    const counts = [0, 1, 2, 3, 4].map((index) => {
      const reply = first.client.command(7, words([4, 16], [4, 0], [4, index]));
      return reply === undefined ? -1 : new DataView(reply.payload.slice().buffer).getUint32(12, true);
    });
    expect(counts).toEqual([0, 1, 0, 0, 0]);
  });
});

describe('the BARs against their tables', () => {
  it('the page of the context: reset values, ones where there is nothing, and memory behind the mailboxes', () => {
    const { first } = opened();
    const shown: Readonly<Record<string, number>> = {
      STATUS: 2,
      MAC_LOW: MAC % 2 ** 32,
      MAC_HIGH: Math.floor(MAC / 2 ** 32),
      RING_SIZES: 4 | (4 << 8),
    };
    for (let offset = 0; offset < SHARED_MEMORY_OFFSET; offset += 4) {
      const definition = MAILBOX_REGISTERS.find((entry) => entry.offset === offset);
      const expected = definition === undefined ? ONES : (shown[definition.name] ?? definition.reset);
      expect([offset, first.register(offset)]).toEqual([offset, expected]);
      expect([offset, first.register(offset, 2), first.register(offset + 1, 1)]).toEqual([
        offset,
        0xffff,
        0xff,
      ]);
    }
    first.setRegister(0xffc, 0x01020304);
    expect([first.register(0xffc), first.register(0xffd, 1), first.register(0xffe, 2)]).toEqual([
      0x01020304, 3, 0x0102,
    ]);
    // An access of 8 bytes is one of two words; one of 3 is none.
    expect(first.client.read(0, 0x28, 8)).toBe(MAC);
    expect(first.client.read(0, 0xffc, 3)).toBe(0xffffff);
  });

  it('a write to a read-only register, or of a value that the table excludes, changes nothing', () => {
    const { first, lab } = opened();
    for (const { offset, access } of MAILBOX_REGISTERS.filter((entry) => entry.access === 'ro')) {
      const before = first.register(offset);
      first.setRegister(offset, 0x5a5a5a5a);
      expect([access, first.register(offset)]).toEqual(['ro', before]);
    }
    for (const value of [0, 65_536]) first.setRegister(0x0c, value);
    expect(first.register(0x0c)).toBe(8);
    first.setRegister(0x0c, 3);
    expect(first.register(0x0c)).toBe(3);
    lab.live.checkInvariants();
  });

  it('the hypercall page: every register of the table, counters, and ones elsewhere', () => {
    const { first } = opened();
    const last = COUNTERS_OFFSET + 8 * PAGE_COUNTERS.length;
    for (let offset = 0; offset < 0x1000; offset += 4) {
      const definition = CALL_REGISTERS.find((entry) => entry.offset === offset);
      const value = first.page(offset);
      const isCounter = offset >= COUNTERS_OFFSET && offset < last;
      if (definition === undefined && !isCounter) expect([offset, value]).toEqual([offset, ONES]);
      else expect(value).not.toBe(ONES);
      if (typeof definition?.reset === 'number' && definition.access === 'ro' && definition.name !== 'STATE')
        expect([definition.name, value]).toEqual([definition.name, definition.reset]);
      if (definition?.access === 'wo') expect(value).toBe(0);
      if (definition?.access !== 'rw') continue;
      first.client.write(1, offset, 0x89abcdef, 4);
      expect(first.page(offset)).toBe(0x89abcdef);
      // Only accesses of 4 bytes are taken.
      first.client.write(1, offset, 0, 2);
      expect([first.page(offset), first.client.read(1, offset, 2)]).toEqual([0x89abcdef, 0xffff]);
    }
  });

  it('counters are those of the guest: they go on when its context is closed and another one opened', () => {
    const { first, lab } = opened();
    const names = PAGE_COUNTERS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    first.ram.set(ethernet(MAC + 1, MAC, 'counted', 98), 0x200000);
    for (let round = 1; round <= 3; round += 1) {
      first.post('transmit', [{ at: 0x200000, bytes: 98 }]);
      lab.run();
      expect(first.counter(names.indexOf('frames_transmitted'))).toBe(round);
      first.call(2, 0);
      expect(first.counter(names.indexOf('frames_transmitted'))).toBe(round);
      expect(first.open()).toBe(RESULT.done);
    }
    // The neighbour posts no buffers: what is for it is dropped, and counted for it.
    expect(lab.live.guests[1]?.device.counters.framesReceived).toBe(0);
  });
});

/** A write anywhere, of any width and value, with a chance to be a call. */
const storm = fc.array(
  fc.oneof(
    fc.record({
      bar: fc.constantFrom(0, 1, 2),
      offset: fc.integer({ min: 0, max: 0xfff }),
      width: fc.constantFrom(1, 2, 4, 8),
      value: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    }),
    fc.record({
      bar: fc.constant(1),
      offset: fc.constantFrom(...[PAGE.rings, PAGE.requests, PAGE.argument, PAGE.call]),
      width: fc.constant(4),
      value: fc.oneof(
        fc.integer({ min: 0, max: 8 }),
        fc.integer({ min: 0, max: 0x800 }).map((page) => page * 0x1000),
      ),
    }),
    fc.record({
      bar: fc.constant(0),
      offset: fc.constantFrom(0, 4, 8, 0x0c, 0x14, 0x34, 0x38),
      width: fc.constant(4),
      value: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
    }),
  ),
  { maxLength: 60 },
);

describe.each(['none', 'cdna', 'iommu:single-use'])('a storm of register writes under %s', (protection) => {
  it('never hurts the neighbour, and the driver that comes after it starts as if nothing had been', () => {
    fc.assert(
      fc.property(storm, fc.uint8Array({ minLength: 64, maxLength: 512 }), (writes, requests) => {
        const { lab, drivers } = cardLab({ protection });
        const [evil, victim] = drivers as [CardDriver, CardDriver];
        for (const driver of drivers) driver.start();
        // What calls and rings find in its memory is as wild.
        for (let at = 0; at < 0x40000; at += requests.length) evil.ram.set(requests, at);
        for (const [index, { bar, offset, width, value }] of writes.entries()) {
          evil.client.write(bar, offset & ~(width === 8 ? 3 : 0), value, width);
          if (index % 4 === 0) lab.run(20_000);
        }
        lab.run();
        lab.live.checkInvariants();
        // Under plain DMA wild descriptors may do anything to memory: that is what the approach is.
        if (protection !== 'none') {
          victim.ram.set(ethernet(0x020000ffffff, MAC + 1, 'still here'), 0x280000);
          expect(victim.post('transmit', [{ at: 0x280000, bytes: 60 }])).toBe(1);
          lab.run(3_000_000);
          expect(victim.consumer('transmit')).toBe(1);
          expect(lab.live.guests[1]?.device.faults).toEqual({});
        }
        evil.client.command(13, new Uint8Array(0));
        evil.enableMsi();
        expect(evil.open()).toBe(RESULT.done);
        evil.ram.set(ethernet(0x020000ffffff, MAC, 'honest again'), 0x200000);
        expect(evil.post('transmit', [{ at: 0x200000, bytes: 60 }])).toBe(1);
        lab.run(3_000_000);
        expect(evil.consumer('transmit')).toBe(1);
        lab.live.checkInvariants();
      }),
      { numRuns: runs(120) },
    );
  });
});

describe('memory that goes away', () => {
  it('costs the guest its context before the answer is sent', () => {
    const { first, lab } = opened('iommu:single-use');
    first.post('receive', [{ at: 0x100000, bytes: 2048 }]);
    expect(first.client.unmap(0, GUEST_BYTES)?.error).toBe(0);
    expect(first.page(PAGE.state)).toBe(2);
    expect(first.page(PAGE.fault)).toBe(0x80);
    lab.run();
    lab.live.checkInvariants();
  });
});

describe('MSI', () => {
  it('is a DMA_WRITE of the data to the address that the guest has set, and nothing while it is disabled', () => {
    const { first, lab } = opened();
    const written = () =>
      first.client.messages
        .map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
        .filter((view) => view.getUint16(2, true) === 12);
    const sendOne = () => {
      first.ram.set(ethernet(MAC + 1, MAC, 'one', 98), 0x200000);
      first.post('transmit', [{ at: 0x200000, bytes: 98 }]);
      lab.run();
    };
    const msi = first.client.read(7, 0x34, 1);
    first.client.write(7, msi + 4, 0xfee12004, 4);
    first.client.write(7, msi + 8, 0x00000001, 4);
    first.client.write(7, msi + 12, 0xbeef, 2);
    sendOne();
    // Address, count, data; no reply is asked for (bit 4 of the flags).
    const [view] = written();
    expect(written()).toHaveLength(1);
    expect([view?.getBigUint64(16, true), view?.getBigUint64(24, true)]).toEqual([0x1fee12004n, 4n]);
    expect([view?.getUint32(32, true), view?.getUint32(8, true)]).toEqual([0xbeef, 0x10]);
    first.client.write(7, msi + 2, 0, 2);
    sendOne();
    expect(written()).toHaveLength(1);
    expect(first.consumer('transmit')).toBe(2);
  });

  it('is held back while the driver masks its context, and comes when it unmasks', () => {
    const { first, lab } = opened();
    first.setRegister(0x08, 1);
    first.ram.set(ethernet(MAC + 1, MAC, 'one', 98), 0x200000);
    first.post('transmit', [{ at: 0x200000, bytes: 98 }]);
    lab.run();
    expect([first.consumer('transmit'), first.client.interrupts[0]]).toEqual([1, 0]);
    first.setRegister(0x08, 0);
    lab.run();
    expect(first.client.interrupts[0]).toBe(1);
  });
});
