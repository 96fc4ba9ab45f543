import { describe, expect, it } from 'vitest';
import { FrameParts, NO_PAGE } from '../../../../host/protection/driver-domain/frame-parts.js';
import { PhysicalPort } from '../../../../host/protection/driver-domain/physical-port.js';
import { PlainDma } from '../../../../host/protection/none/plain-dma.js';
import { ringLayout } from '../../../../host/protection/ring-layout.js';
import { hostPhysicalAddress, type PageNumber, pageNumber } from '../../../../nic/addresses.js';
import { contextId, NO_CONTEXT } from '../../../../scheduler/branded.js';
import { present } from '../../../../scheduler/present.js';
import { Machine, PAGE } from '../../support/machine.js';

const SLOTS = 128;
const [END, DONE] = [1, 4];
/** The most pieces that the service takes of one frame. */
const PIECES = 48;
const [LEFT, RIGHT] = [contextId(40), contextId(41)];

/** The driver domain's driver, with a card of which the test writes what it says. */
function bench(staged = true) {
  const { host, kernel } = new Machine(new PlainDma());
  const { memory, processor } = host;
  const domain = host.hypervisor.createDomain('driver domain', 'driver-domain', 0);
  const device = new PhysicalPort(host, domain, 0x02_ff_00_00_00_01, SLOTS, staged);
  const { address } = present(device.port.ringMemory);
  const word = (at: number) => hostPhysicalAddress(at);
  const layout = ringLayout(SLOTS, SLOTS);
  const slotAt = (ring: number, index: number) => address + ring + (index % SLOTS) * 16;
  const frame = new FrameParts(PIECES);
  const taken: { lengths: number[]; addresses: number[]; last: number }[] = [];
  let came = 0;
  return {
    host,
    kernel,
    domain,
    device,
    taken,
    frame,
    /** Buffers of received frames: length and flags of each. */
    receive: (...buffers: readonly (readonly [length: number, flags: number])[]) => {
      for (const [length, flags] of buffers) {
        memory.writeU32(word(slotAt(layout.receive, came) + 8), length | (flags << 16));
        came += 1;
      }
      memory.writeU32(word(address + layout.status + 4), came);
    },
    sentUpTo: (index: number) => memory.writeU32(word(address + layout.status), index),
    take: (budget: number, also: (parts: FrameParts) => void = () => undefined) =>
      device.receive(budget, frame, (parts) => {
        const lengths = [...parts.lengths.subarray(0, parts.count)];
        taken.push({
          lengths,
          addresses: lengths.map((_, piece) => parts.address(piece)),
          last: parts.lastIndex,
        });
        also(parts);
      }),
    /** Address, length and flags of a descriptor. */
    descriptor: (ring: 'transmit' | 'receive', index: number) => {
      const at = slotAt(layout[ring], index);
      const [low = 0, high = 0, lengthAndFlags = 0] = [0, 4, 8].map((offset) =>
        memory.readU32(word(at + offset)),
      );
      return [high * 2 ** 32 + low, lengthAndFlags & 0xffff, lengthAndFlags >>> 16];
    },
    cycles: (work: () => void) => {
      const before = processor.cyclesOf(domain.account);
      processor.post(domain.account, work);
      kernel.run(kernel.nowNs + 1_000);
      return processor.cyclesOf(domain.account) - before;
    },
  };
}

describe('what the driver domain takes from its card', () => {
  it('is every slot at first: a page of its own for each, posted once', () => {
    const { device, descriptor, domain } = bench();
    const pages = Array.from({ length: SLOTS }, (_, index) => descriptor('receive', index));
    expect(new Set(pages.map(([address]) => address)).size).toBe(SLOTS);
    for (const [address = 1, length, flags] of pages) {
      expect([address % PAGE, length, flags]).toEqual([0, PAGE, 0]);
      expect(domain.ownedPages.has(pageNumber(address / PAGE))).toBe(true);
    }
    expect(device.port.receive.producer).toBe(SLOTS);
  });

  it('is frames of one buffer or several, each where its bytes lie and with its last descriptor', () => {
    const { receive, take, taken, descriptor } = bench();
    const at = (index: number) => descriptor('receive', index)[0];
    const addresses = [0, 1, 2, 3].map(at);
    receive([100, DONE | END], [PAGE, DONE], [PAGE, DONE], [826, DONE | END]);
    expect(take(64)).toBe(2);
    expect(taken).toEqual([
      { lengths: [100], addresses: addresses.slice(0, 1), last: 0 },
      { lengths: [PAGE, PAGE, 826], addresses: addresses.slice(1), last: 3 },
    ]);
    expect(take(64), 'nothing more came').toBe(0);
  });

  it('is no more than the budget at once; the rest is there the next time', () => {
    const { receive, take, taken, device } = bench();
    receive(...Array.from({ length: 5 }, (_, index) => [60 + index, DONE | END] as const));
    expect([take(2), device.port.receive.finished]).toEqual([2, 2]);
    expect([take(3), take(3)]).toEqual([3, 0]);
    expect(taken.map(({ lengths, last }) => [lengths[0], last])).toEqual(
      [0, 1, 2, 3, 4].map((at) => [60 + at, at]),
    );
  });

  it('is posted again, a page where it was or the one that came for it', () => {
    const { receive, take, descriptor, device, domain } = bench();
    const [first, second] = [0, 1].map((index) => descriptor('receive', index)[0]);
    const [other = pageNumber(0)] = domain.allocate(1);
    receive([60, DONE | END], [60, DONE | END]);
    take(64, (parts) => {
      if (parts.lastIndex === 1) parts.exchanged[0] = other;
    });
    expect(device.port.receive.producer).toBe(SLOTS + 2);
    expect([0, 1].map((index) => descriptor('receive', index)[0])).toEqual([first, other * PAGE]);
    expect(second).not.toBe(other * PAGE);
  });

  it.each([
    ['as many pieces as a frame may have', PIECES, 1, 0],
    ['one more', PIECES + 1, 0, 1],
  ])('%s: %i of them, taken %i, dropped %i', (_what, count, good, bad) => {
    const { receive, take, taken, device } = bench();
    receive(
      ...Array.from({ length: count }, (_, index) => [10, index + 1 === count ? DONE | END : DONE] as const),
      [77, DONE | END],
    );
    expect(take(64)).toBe(2);
    expect([taken.length, device.malformed]).toEqual([good + 1, bad]);
    expect(taken.at(-1), 'the next one is whole').toMatchObject({ lengths: [77], last: count });
  });

  it.each([
    ['longer than its buffer', PAGE + 1],
    ['empty', 0],
  ])('a frame with a piece that is %s is dropped to its end, wherever in it that is', (_what, length) => {
    for (const wrong of [0, 1, 2]) {
      const { receive, take, taken, device } = bench();
      receive(...[0, 1, 2].map((at) => [at === wrong ? length : 50, at === 2 ? DONE | END : DONE] as const), [
        60,
        DONE | END,
      ]);
      expect(take(64)).toBe(2);
      expect(taken.map(({ lengths }) => lengths)).toEqual([[60]]);
      expect(device.malformed).toBe(1);
    }
  });

  it('costs it the buffers that it makes ready', () => {
    const { receive, take, cycles, host, taken } = bench();
    receive([60, DONE | END], [PAGE, DONE], [90, DONE | END]);
    const { refillBuffer, writeDescriptor, doorbell } = host.processor.costs;
    expect(cycles(() => take(64))).toBe(3 * (refillBuffer + writeDescriptor) + doorbell);
    expect(taken).toHaveLength(2);
    expect(
      cycles(() => take(64)),
      'nothing came',
    ).toBe(0);
  });
});

describe('what the driver domain gives to its card', () => {
  const listener = () => {
    const heard: unknown[][] = [];
    return {
      heard,
      sent: (...all: readonly unknown[]) => heard.push(['sent', ...all]),
      done: (page: PageNumber) => heard.push(['done', page]),
    };
  };
  const parts = (
    frame: FrameParts,
    ...pieces: readonly (readonly [at: number, length: number, mapped?: number])[]
  ) => {
    frame.clear();
    for (const [at, length, mapped = NO_PAGE] of pieces)
      frame.add(hostPhysicalAddress(at), length, pageNumber(mapped));
    return frame;
  };

  it('is a descriptor a piece, of which the last ends the frame, and one doorbell for all', () => {
    const { device, frame, descriptor, kernel } = bench();
    expect(device.freeSlots).toBe(SLOTS);
    expect(device.send(parts(frame, [0x5010, 100]), NO_CONTEXT, 0, 1)).toBe(0);
    expect(device.send(parts(frame, [0x6000, 4096], [0x9000, 7]), NO_CONTEXT, 1, 2)).toBe(2);
    expect(device.freeSlots).toBe(SLOTS - 3);
    expect([0, 1, 2].map((index) => descriptor('transmit', index))).toEqual([
      [0x5010, 100, END],
      [0x6000, 4096, 0],
      [0x9000, 7, END],
    ]);
    const { pending } = kernel;
    device.flush();
    device.flush();
    expect(kernel.pending - pending).toBe(1);
  });

  it('comes back when the card is done: pages that were mapped, and answers where somebody waits for one', () => {
    const { device, frame, sentUpTo } = bench(false);
    const ear = listener();
    device.send(parts(frame, [0x5000, 100, 5], [0x6000, 100, 6]), LEFT, 8, 2);
    device.send(parts(frame, [0x7000, 100]), NO_CONTEXT, 3, 1);
    device.send(parts(frame, [0x8000, 100, 8]), RIGHT, 2 ** 32 - 1, 1);
    expect(device.mappedInFlight).toBe(3);
    device.reclaim(ear);
    expect(ear.heard, 'the card has not said anything').toEqual([]);
    sentUpTo(1);
    device.reclaim(ear);
    expect([ear.heard.splice(0), device.mappedInFlight, device.freeSlots]).toEqual([
      [['done', 5]],
      2,
      SLOTS - 3,
    ]);
    sentUpTo(3);
    device.reclaim(ear);
    expect(ear.heard.splice(0)).toEqual([
      ['done', 6],
      ['sent', LEFT, 8, 2],
    ]);
    sentUpTo(4);
    device.reclaim(ear);
    expect([ear.heard, device.mappedInFlight, device.freeSlots]).toEqual([
      [
        ['done', 8],
        ['sent', RIGHT, 2 ** 32 - 1, 1],
      ],
      0,
      SLOTS,
    ]);
    device.reclaim(ear);
    expect(ear.heard, 'each comes back once').toHaveLength(2);
  });

  it('comes back at once when the context is gone, sent or not', () => {
    const { device, frame } = bench(false);
    const ear = listener();
    device.send(parts(frame, [0x5000, 100, 5]), LEFT, 0, 1);
    device.port.markClosed();
    expect(device.isOpen).toBe(false);
    device.reclaim(ear);
    expect(ear.heard).toEqual([
      ['done', 5],
      ['sent', LEFT, 0, 1],
    ]);
  });

  it('leaves nothing of a slot’s last frame for its next one', () => {
    const { device, frame, sentUpTo } = bench(false);
    const ear = listener();
    for (let turn = 0; turn < SLOTS; turn += 1) {
      device.send(parts(frame, [0x5000, 100, 5]), LEFT, turn, 1);
      sentUpTo(turn + 1);
      device.reclaim(ear);
    }
    ear.heard.length = 0;
    device.send(parts(frame, [0x5000, 100], [0x6000, 100]), NO_CONTEXT, 0, 1);
    sentUpTo(SLOTS + 2);
    device.reclaim(ear);
    expect(ear.heard).toEqual([]);
  });

  it('is put together in a buffer of its own for each slot, long enough for the longest frame', () => {
    const { device, frame, domain } = bench();
    const found: number[] = [];
    for (let turn = 0; turn < SLOTS; turn += 1) {
      const at = device.stagingAddress;
      for (let page = 0; page < 3; page += 1)
        expect(domain.ownedPages.has(pageNumber(at / PAGE + page))).toBe(true);
      found.push(at);
      device.send(parts(frame, [at, 60]), NO_CONTEXT, 0, 1);
    }
    expect(new Set(found).size).toBe(SLOTS);
    const sorted = found.sort((left, right) => left - right);
    for (const [index, at] of sorted.entries())
      if (index > 0) expect(at - (sorted[index - 1] ?? 0)).toBeGreaterThanOrEqual(3 * PAGE);
  });

  it('costs it the frames that are reclaimed, and not their pieces', () => {
    const { device, frame, sentUpTo, cycles, host } = bench(false);
    const ear = listener();
    device.send(parts(frame, [0x5000, 100, 5], [0x6000, 100, 6]), LEFT, 0, 2);
    device.send(parts(frame, [0x7000, 100, 7]), LEFT, 2, 1);
    sentUpTo(3);
    expect(cycles(() => device.reclaim(ear))).toBe(2 * host.processor.costs.reclaimPacket);
  });
});
