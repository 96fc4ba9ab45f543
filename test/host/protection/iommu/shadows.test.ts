import { describe, expect, it } from 'vitest';
import { hostPhysicalAddress } from '../../../../nic/addresses.js';
import { frame, macOf, PAGE, STRANGER } from '../../support/machine.js';
import { IommuLab, VENDORS } from './lab.js';

const LENGTH = 8;
const DONE_AND_END = 5;
const FILL = new Uint8Array(PAGE).fill(0xee);

describe.each(VENDORS)('shadow pages on %s', (vendor) => {
  it('are for one direction each: a sent one can be read, a received one written', () => {
    const lab = IommuLab.with('shadow-copy', vendor);
    const guest = lab.guest(1);
    guest.send(frame(STRANGER, macOf(1), 80));
    guest.postReceive({ address: guest.page(), length: 2048 });
    lab.settle();
    const [sent, received] = [lab.busAddress(guest, 'transmit', 0), lab.busAddress(guest, 'receive', 0)];
    const reaches = (bus: number) => [false, true].map((write) => lab.reach(guest, bus, write) !== undefined);
    expect(reaches(sent)).toEqual([true, false]);
    expect(reaches(received)).toEqual([false, true]);
    // The whole pool, used or not.
    for (let slot = 1; slot < 16; slot += 1) {
      expect(reaches(sent + slot * PAGE)).toEqual([true, false]);
      expect(reaches(received + slot * PAGE)).toEqual([false, true]);
    }
  });

  it.each([201, 4096, 0xffff])(
    'a card that says it has written %i bytes gets as many copied as the guest asked for',
    (claimed) => {
      const lab = IommuLab.with('shadow-copy', vendor);
      const guest = lab.guest(1);
      const page = guest.page();
      guest.store(page, FILL);
      guest.postReceive({ address: page + 64, length: 200 });
      lab.settle();
      lab.machine.arrive(frame(macOf(1), STRANGER, 100));
      lab.settle();
      const { memory } = lab.machine.host;
      const port = lab.iommu.ports.get(guest.port.context)?.port;
      if (port === undefined) throw new Error('no port');
      const at = hostPhysicalAddress(port.receive.ringAddress + LENGTH);
      memory.writeU32(at, claimed | (DONE_AND_END << 16));
      guest.port.receive.finish(1);
      const now = lab.machine.peek(page, PAGE);
      expect(now.subarray(0, 64)).toEqual(FILL.subarray(0, 64));
      expect(now.subarray(264)).toEqual(FILL.subarray(264));
      expect(now.subarray(64, 164)).toEqual(frame(macOf(1), STRANGER, 100));
      expect(lab.details('copiedBytes')).toBe(200);
    },
  );

  it('are copied once, in the direction of the frame: what was sent is not written back', () => {
    const lab = IommuLab.with('shadow-copy', vendor);
    const guest = lab.guest(1);
    const sent = frame(STRANGER, macOf(1), 80);
    const page = guest.send(sent);
    // The buffer is the guest's again: what it has there now must not be what it sent.
    guest.store(page, FILL);
    lab.settle();
    guest.reclaim();
    lab.settle();
    expect(lab.machine.wire.frames.map(({ bytes }) => bytes)).toEqual([sent]);
    expect(lab.machine.peek(page, PAGE)).toEqual(FILL);
    expect(lab.details('copiedBytes')).toBe(80);
  });

  it('are as long as the buffer that they are for: long ones at once do not run into each other', () => {
    const lab = IommuLab.with('shadow-copy', vendor);
    const guest = lab.guest(1);
    const before = lab.details('shadowPages');
    // A page for each of 16 slots, in both directions.
    expect(before).toBe(32);
    const frames = [9000, 4097, 60, 8192, 4096].map((length, seed) =>
      frame(STRANGER, macOf(1), length, seed),
    );
    for (const one of frames) guest.send(one);
    lab.settle(1_000_000);
    expect(
      lab.machine.wire.frames.map(({ bytes }, at) => Buffer.compare(bytes, frames[at] ?? bytes)),
    ).toEqual([0, 0, 0, 0, 0]);
    // Three pages, two and two besides the page that each slot has.
    expect(lab.details('shadowPages') - before).toBe(7);
  });
});
