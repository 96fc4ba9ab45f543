import { describe, expect, it } from 'vitest';
import { pageNumber } from '../../../../nic/addresses.js';
import { frame, macOf, PAGE, STRANGER } from '../../support/machine.js';
import { frameOf, IommuLab, VENDORS } from './lab.js';

const FILL = new Uint8Array(PAGE).fill(0xee);

describe.each(VENDORS)('swiotlb on %s (Linux dma-iommu.c, for devices that are not trusted)', (vendor) => {
  const bench = () => {
    const lab = IommuLab.with('swiotlb', vendor);
    return { lab, guest: lab.guest(1) };
  };

  it('puts a buffer that is part of a page into a slot of its own, at the same offset, with zeroes around it', () => {
    const { lab, guest } = bench();
    const page = guest.page();
    guest.store(page, FILL);
    const bytes = frame(STRANGER, macOf(1), 100);
    guest.store(page + 200, bytes);
    guest.post({ address: page + 200, length: 100 });
    const bus = lab.busAddress(guest, 'transmit', 0);
    expect(bus % PAGE).toBe(200);
    const physical = lab.reach(guest, bus, false) ?? 0;
    expect(frameOf(physical)).not.toBe(frameOf(page));
    expect(lab.machine.host.pages.kind(pageNumber(frameOf(physical)))).toBe('shadow');
    const slot = lab.machine.peek(physical - 200, PAGE);
    expect(slot.subarray(200, 300)).toEqual(bytes);
    expect([...slot.subarray(0, 200), ...slot.subarray(300)].every((byte) => byte === 0)).toBe(true);
    lab.settle();
    expect(lab.machine.wire.frames[0]?.bytes).toEqual(bytes);
  });

  it('maps whole pages as they are', () => {
    const { lab, guest } = bench();
    const page = guest.page();
    guest.postReceive({ address: page, length: PAGE });
    lab.settle();
    expect(lab.reach(guest, lab.busAddress(guest, 'receive', 0), true)).toBe(page);
    expect([lab.details('bouncedBuffers'), lab.details('copiedBytes')]).toEqual([0, 0]);
  });

  it('copies what came back to where it belongs, and no byte beside it', () => {
    const { lab, guest } = bench();
    const page = guest.page();
    guest.store(page, FILL);
    guest.postReceive({ address: page + 100, length: 300 });
    lab.settle();
    const came = frame(macOf(1), STRANGER, 120);
    lab.machine.arrive(came);
    lab.settle();
    // The device writes over the whole slot; only the buffer's own bytes come back.
    const bus = lab.busAddress(guest, 'receive', 0);
    expect(lab.strayWrite(guest, bus - 100, new Uint8Array(100).fill(0x77))).toBe(true);
    expect(lab.strayWrite(guest, bus + 300, new Uint8Array(200).fill(0x77))).toBe(true);
    expect(guest.receive()).toEqual([came]);
    const now = lab.machine.peek(page, PAGE);
    expect([...now.subarray(0, 100), ...now.subarray(220)].every((byte) => byte === 0xee)).toBe(true);
    // In, and out again: all of the buffer, as Linux does since 5.18.
    expect(lab.details('copiedBytes')).toBe(600);
  });

  it('invalidates strictly, and uses a slot again only when the unit has reported', () => {
    const { lab, guest } = bench();
    const page = guest.page();
    guest.postReceive({ address: page, length: 200 });
    lab.settle();
    const bus = lab.busAddress(guest, 'receive', 0);
    const slot = lab.reach(guest, bus, true) ?? 0;
    lab.settle();
    guest.port.receive.finish(1);
    guest.postReceive({ address: page, length: 200 });
    const other = lab.busAddress(guest, 'receive', 1);
    let stale = 0;
    for (let step = 0; step < 200; step += 1) {
      if (lab.reach(guest, bus, true) === slot) {
        stale += 1;
        expect(lab.machine.host.pages.count(pageNumber(frameOf(slot)))).toBe(1);
        expect(lab.reach(guest, other, true)).not.toBe(slot);
      }
      lab.settle(40);
    }
    expect(stale).toBeGreaterThan(0);
    expect(lab.reach(guest, bus, true)).toBeUndefined();
    guest.postReceive({ address: page, length: 200 });
    expect(lab.details('bouncePages')).toBe(2);
  });

  it('keeps slots by their length: one that is free is for the next buffer over as many pages', () => {
    const { lab, guest } = bench();
    const pages = guest.pages(2);
    const one = { address: pages + 100, length: 200 };
    const two = { address: pages + 4000, length: 200 };
    for (const [turn, buffer, slots] of [
      [1, one, 1],
      [2, two, 3],
      [3, one, 3],
      [4, two, 3],
      [5, two, 3],
    ] as const) {
      guest.postReceive(buffer);
      lab.settle();
      expect(lab.details('bouncePages'), `buffer ${turn}`).toBe(slots);
      expect(lab.details('bouncedBuffers')).toBe(turn);
      guest.port.receive.finish(turn);
      lab.settle();
    }
    // Two at once need two.
    guest.postReceive(one, one);
    expect(lab.details('bouncePages')).toBe(4);
  });

  it('bounces what is no number of whole pages from the beginning of one, and nothing else', () => {
    const { lab, guest } = bench();
    const pages = guest.pages(3);
    for (const [offset, length, bounced] of [
      [0, PAGE, 0],
      [0, 2 * PAGE, 0],
      [0, PAGE - 1, 1],
      [0, PAGE + 1, 1],
      [1, PAGE, 1],
      [1, PAGE - 1, 1],
    ] as const) {
      const before = lab.details('bouncedBuffers');
      guest.postReceive({ address: pages + offset, length });
      expect(lab.details('bouncedBuffers') - before, `${length} bytes at ${offset}`).toBe(bounced);
    }
  });

  it('gives every slot back when the port has closed', () => {
    const { lab, guest } = bench();
    const { pages } = lab.machine.host;
    const shadows = () => {
      let count = 0;
      for (let page = 0; page < pages.pageCount; page += 1)
        if (pages.kind(pageNumber(page)) === 'shadow') count += 1;
      return count;
    };
    for (let slot = 0; slot < 5; slot += 1) guest.postReceive({ address: guest.page(), length: 200 });
    guest.postReceive({ address: guest.pages(2) + 2000, length: 4096 });
    lab.settle();
    expect(shadows()).toBe(7);
    guest.port.receive.finish(0);
    lab.iommu.closePort(guest.port);
    lab.settle();
    expect([shadows(), pages.pinnedPages]).toEqual([0, 0]);
  });
});
