import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PATIENCE_FOR_MEMORY_NS } from '../../src/live/rearranged-memory.js';
import { WithdrawnRanges } from '../../src/live/withdrawn-ranges.js';
import { ethernet, RECEIVE, RINGS, TRANSMIT } from './support/driver.js';
import { GUEST_BYTES, Lab, MAC } from './support/lab.js';

const APPROACHES = [
  'none',
  'dev',
  'nodma',
  'driver-domain',
  'cdna',
  'iommu:direct-map',
  'iommu:single-use',
  'iommu:shared',
  'iommu:persistent',
  'iommu:deferred',
  'iommu:shadow-copy',
  'iommu:contiguous',
  'cdna+iommu',
] as const;
const PAGE = 0x300000;

/** Two guests, of which the first has two receive buffers in a page and the second has something to send. */
function withBuffers(protection: string) {
  const lab = new Lab({ protection });
  const owner = lab.boot(0);
  const sender = lab.boot(1);
  lab.ram(0).fill(0x2e, PAGE, PAGE + 0x1000);
  owner.post(RECEIVE, 0, [{ at: PAGE, bytes: 1536 }]);
  owner.post(RECEIVE, 1, [{ at: PAGE + 2048, bytes: 1536 }]);
  lab.run();
  const untouched = () =>
    lab
      .ram(0)
      .subarray(PAGE, PAGE + 0x1000)
      .every((byte) => byte === 0x2e);
  const send = (text: string) => {
    sender.send(0, 0x200000, ethernet(MAC, MAC + 1, text, 94));
    lab.run(2_000_000);
  };
  return { lab, owner, sender, untouched, send };
}

describe.each(APPROACHES)('memory that is taken away under buffers of the card: %s', (protection) => {
  it('the device stands still before the unmap is answered, and goes on when the same range is back', () => {
    const { lab, owner, untouched, send } = withBuffers(protection);
    expect(owner.client.unmap(0, GUEST_BYTES)?.error).toBe(0);
    send('DURING');
    expect(untouched()).toBe(true);
    expect(lab.live.guests[0]?.device.pausable?.paused).toBe(true);
    expect(owner.client.map(0, GUEST_BYTES, 0)?.error).toBe(0);
    lab.run(2_000_000);
    expect(lab.live.guests[0]?.device.pausable?.paused).toBe(false);
    send('AFTER');
    expect(owner.takeUsed(RECEIVE)).toEqual([{ head: 0, length: 106 }]);
    expect(Buffer.from(lab.ram(0).subarray(PAGE, PAGE + 106)).includes('AFTER')).toBe(true);
    owner.send(9, 0x200000, ethernet(MAC + 1, MAC, 'and back'));
    lab.run();
    expect(owner.takeUsed(TRANSMIT)).toEqual([{ head: 9, length: 0 }]);
    lab.run(2 * PATIENCE_FOR_MEMORY_NS);
    expect(lab.live.guests[0]?.sessionFaults).toEqual({});
    expect(owner.status & 64).toBe(0);
    lab.live.checkInvariants();
  });

  it('the context is lost when it is not back in 100 ms, with a fault; a reset of the driver starts it anew', () => {
    const { lab, owner, untouched, send } = withBuffers(protection);
    owner.client.unmap(PAGE, 0x1000);
    owner.client.unmap(0, GUEST_BYTES);
    lab.run(PATIENCE_FOR_MEMORY_NS - 5_000_000);
    expect(owner.status & 64).toBe(0);
    lab.run(10_000_000);
    expect(owner.status & 64).toBe(64);
    expect(lab.live.guests[0]?.sessionFaults).toEqual({ 'memory-taken-away': 1, 'bad-range': 1 });
    send('LANDED');
    expect(untouched()).toBe(true);
    owner.client.map(0, GUEST_BYTES, 0);
    owner.start();
    lab.run(2_000_000);
    owner.post(RECEIVE, 0, [{ at: PAGE, bytes: 1536 }]);
    lab.run();
    send('ANEW');
    expect(owner.takeUsed(RECEIVE)).toHaveLength(1);
    lab.live.checkInvariants();
  });

  it('memory that no buffer and no ring lies in is taken away from a device that goes on; then it leads nowhere', () => {
    const { lab, owner, untouched, send } = withBuffers(protection);
    owner.client.unmap(0, GUEST_BYTES);
    owner.client.map(0, 0x100000, 0);
    owner.client.map(0x200000, GUEST_BYTES - 0x200000, 0x200000);
    // All that it has in use is there, but for a part that nothing of it lies in.
    lab.run(2_000_000);
    expect(lab.live.guests[0]?.device.pausable?.paused).toBe(false);
    send('ONE');
    expect(owner.takeUsed(RECEIVE)).toHaveLength(1);
    lab.ram(0).fill(0x2e, 0x180000, 0x181000);
    lab.ram(0).fill(0x2e, PAGE, PAGE + 0x1000);
    owner.post(RECEIVE, 2, [{ at: 0x180000, bytes: 1536 }]);
    lab.run();
    send('TWO');
    send('THREE');
    expect(
      lab
        .ram(0)
        .subarray(0x180000, 0x181000)
        .every((byte) => byte === 0x2e),
    ).toBe(true);
    expect(untouched() || Buffer.from(lab.ram(0).subarray(PAGE, PAGE + 0x1000)).includes('T')).toBe(true);
    lab.live.checkInvariants();
  });
});

describe('a device that stands still', () => {
  it('sends what it had to send when it goes on, and takes what came meanwhile', () => {
    const lab = new Lab({ protection: 'cdna', scenario: { nic: { rateBps: 1e7 } } });
    const owner = lab.boot(0);
    for (let slot = 0; slot < 20; slot += 1)
      owner.send(slot, 0x200000 + slot * 2048, ethernet(MAC + 1, MAC, `frame ${slot}`, 1000));
    lab.run(3_000_000);
    owner.client.unmap(0, GUEST_BYTES);
    const sent = lab.live.host.nic.counters.total('framesTransmitted');
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(20);
    lab.run(20_000_000);
    owner.send(20, 0x200000 + 20 * 2048, ethernet(MAC + 1, MAC, 'meanwhile', 1000));
    lab.run(1_000_000);
    expect(lab.live.host.nic.counters.total('framesTransmitted')).toBeLessThanOrEqual(sent + 1);
    owner.client.map(0, GUEST_BYTES, 0);
    lab.run(60_000_000);
    expect(owner.takeUsed(TRANSMIT).map(({ head }) => head)).toEqual(
      Array.from({ length: 21 }, (_, slot) => slot),
    );
    lab.live.checkInvariants();
  });

  it('is reset by its driver like any other, and then no memory is waited for', () => {
    const { lab, owner } = withBuffers('cdna');
    owner.client.unmap(0, GUEST_BYTES);
    owner.client.write(0, 20, 0, 1);
    lab.run(2 * PATIENCE_FOR_MEMORY_NS);
    expect(lab.live.guests[0]?.sessionFaults).toEqual({});
    owner.client.map(0, GUEST_BYTES, 0);
    owner.start();
    lab.run();
    expect(owner.status).toBe(15);
    lab.live.checkInvariants();
  });

  it('a ring that is taken away is waited for as well', () => {
    const lab = new Lab();
    const owner = lab.driver(0);
    owner.client.connect();
    owner.client.version();
    owner.client.map(0, 0x40000, 0);
    owner.client.map(0x40000, GUEST_BYTES - 0x40000, 0x40000);
    owner.start();
    lab.run();
    expect(RINGS[0].table).toBeLessThan(0x40000);
    // Nothing lies in the rest: the device goes on without it.
    owner.client.unmap(0x40000, GUEST_BYTES - 0x40000);
    expect(lab.live.guests[0]?.device.pausable?.paused).toBe(false);
    owner.client.map(0x40000, GUEST_BYTES - 0x40000, 0x40000);
    owner.client.unmap(0, 0x40000);
    expect(lab.live.guests[0]?.device.pausable?.paused).toBe(true);
    owner.client.map(0, 0x40000, 0);
    lab.run();
    owner.send(0, 0x200000, ethernet(MAC + 1, MAC, 'goes on'));
    lab.run();
    expect(owner.takeUsed(TRANSMIT)).toHaveLength(1);
  });

  it('a machine that goes meanwhile leaves nothing for the next one', () => {
    const { lab, owner } = withBuffers('iommu:single-use');
    owner.client.unmap(0, GUEST_BYTES);
    owner.client.disconnect();
    lab.plugIn(0);
    const next = lab.boot(0);
    lab.run(2 * PATIENCE_FOR_MEMORY_NS);
    next.send(0, 0x200000, ethernet(MAC + 1, MAC, 'next'));
    lab.run();
    expect(next.takeUsed(TRANSMIT)).toHaveLength(1);
    expect(lab.live.guests[0]?.sessionFaults).toEqual({});
    lab.live.checkInvariants();
  });
});

it('withdrawn ranges are what a set of bytes is', () => {
  const step = fc.record({
    add: fc.boolean(),
    start: fc.integer({ min: 0, max: 40 }),
    length: fc.integer({ min: 1, max: 12 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const ranges = new WithdrawnRanges();
      const bytes = new Set<number>();
      for (const { add, start, length } of steps) {
        for (let at = start; at < start + length; at += 1) add ? bytes.add(at) : bytes.delete(at);
        if (add) ranges.add(start, start + length);
        else ranges.remove(start, start + length);
        expect(ranges.empty).toBe(bytes.size === 0);
        const all = Array.from({ length: 60 }, (_, at) => at);
        expect(all.filter((at) => ranges.overlaps(at, at + 1))).toEqual(all.filter((at) => bytes.has(at)));
      }
    }),
  );
});
