import { describe, expect, it } from 'vitest';
import { busAddress, requesterId } from '../../nic/addresses.js';
import { DmaEngine } from '../../nic/dma-engine.js';
import type { HostPort } from '../../nic/host-port.js';
import { PcieLink } from '../../nic/pcie-link.js';
import { contextId } from '../../scheduler/branded.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { simulate } from '../../src/simulate.js';

/** What pcie-model (at 40703cf) leaves for packets of a generation 3 link with 8 lanes, Gb/s. */
const LINK_GBPS = 57.885;
const MPS = 256;
const MRRS = 512;
const RUN_NS = 400_000;

/** Memory that answers in no time. */
const MEMORY: HostPort = { read: () => 0, write: () => 0, raise: () => undefined };

/** Transfers of a size, so many of each kind under way at any time. Returns Gb/s of payload each way. */
function saturate(bytes: number, ways: { readonly reads: boolean; readonly writes: boolean }) {
  const kernel = new EventKernel();
  const engine = new DmaEngine(kernel, new PcieLink(), MEMORY, 1, { maxInFlight: 256 });
  const buffer = new Uint8Array(bytes);
  const moved = { read: 0, write: 0 };
  const open = (kind: 'read' | 'write') => {
    const channel = engine.open(() => {
      moved[kind] += bytes;
      channel[kind]();
    });
    channel.owner = { index: contextId(0), requesterId: requesterId(1) };
    channel.address = busAddress(0x1000);
    channel.length = bytes;
    channel.buffer = buffer;
    for (let count = 0; count < 200; count += 1) channel[kind]();
  };
  if (ways.reads) open('read');
  if (ways.writes) open('write');
  kernel.run(RUN_NS / 10);
  const before = { ...moved };
  kernel.run(RUN_NS + RUN_NS / 10);
  engine.checkInvariants();
  return {
    reads: ((moved.read - before.read) * 8) / RUN_NS,
    writes: ((moved.write - before.write) * 8) / RUN_NS,
  };
}

describe('the PCIe link of the card, as pcie-model (Neugebauer et al., SIGCOMM 2018) has it', () => {
  it.each([
    [64, 33.1],
    [256, 48.8],
    [512, 50.8],
    [1500, 50.6],
  ])('moves %i bytes at %d Gb/s each way when both ways are saturated', (bytes, published) => {
    const formula =
      (LINK_GBPS * bytes) / (bytes + 24 * Math.ceil(bytes / MPS) + 24 * Math.ceil(bytes / MRRS));
    expect(formula).toBeCloseTo(published, 0);
    const { reads, writes } = saturate(bytes, { reads: true, writes: true });
    expect(reads / formula).toBeGreaterThan(0.98);
    expect(reads / formula).toBeLessThan(1.02);
    expect(writes / formula).toBeGreaterThan(0.98);
    expect(writes / formula).toBeLessThan(1.02);
  });

  it.each([64, 256, 512, 1500])(
    'moves %i bytes at what the packets of one way leave, one way alone',
    (bytes) => {
      const packets = Math.ceil(bytes / MPS);
      const writes = (LINK_GBPS * bytes) / (bytes + 24 * packets);
      const reads = (LINK_GBPS * bytes) / (bytes + 20 * packets);
      expect(saturate(bytes, { reads: false, writes: true }).writes / writes).toBeCloseTo(1, 2);
      expect(saturate(bytes, { reads: true, writes: false }).reads / reads).toBeCloseTo(1, 2);
    },
  );

  it('lets a read request wait for one packet, not for the writes that were booked before it', () => {
    const kernel = new EventKernel();
    const engine = new DmaEngine(kernel, new PcieLink(), MEMORY, 1, { maxInFlight: 64 });
    const doneNs: number[] = [];
    const channel = engine.open((cookie) => {
      doneNs[cookie] = kernel.nowNs;
    });
    channel.buffer = new Uint8Array(4096);
    channel.address = busAddress(0x1000);
    channel.length = 4096;
    for (let cookie = 0; cookie < 16; cookie += 1) {
      channel.cookie = cookie;
      channel.write();
    }
    channel.cookie = 16;
    channel.length = 64;
    kernel.schedule(
      1_000,
      kernel.register('read', () => channel.read()),
    );
    kernel.drain();
    // 64 KB of writes take 9.9 us. A packet of 280 bytes takes 39 ns, the request 4 ns, the way 150 ns each way.
    expect(doneNs[16]).toBeLessThan(1_000 + 39 + 4 + 300 + 12 + 1);
    expect(doneNs[15]).toBeGreaterThan(9_000);
  });
});

describe('doorbells, register reads and interrupts', () => {
  it('take their time of the link', () => {
    const link = new PcieLink();
    // A memory write of 4 bytes and a read request without data, 24 bytes of header each.
    expect(link.writeRegister({ nowNs: 0 }, 0)).toBe(Math.ceil((28 * 8) / 57.885) + 150);
    link.requestRegister({ nowNs: 0 });
    expect(link.downstream.carriedBytes).toBe(28 + 24);
    const kernel = new EventKernel();
    const engine = new DmaEngine(kernel, link, MEMORY, 1, { maxInFlight: 1 });
    engine.answerRegisterRead();
    let atNs = 0;
    engine
      .open(() => {
        atNs = kernel.nowNs;
      })
      .message();
    kernel.drain();
    expect(engine.sentBytes).toBe(2 * 28);
    expect(atNs).toBeGreaterThanOrEqual(150 + 8);
    expect(engine.transfers).toBe(0);
  });
});

it('with both ways of a 100 Gb/s port saturated, each has its half of a generation 3 link', async () => {
  const traffic = { kind: 'greedy' } as const;
  const result = await simulate(
    {
      guests: [
        { name: 'out', transmitSlots: 4096, receiveSlots: 4096, traffic, receive: traffic },
        { name: 'more', transmitSlots: 4096, receiveSlots: 4096, traffic, receive: traffic },
      ],
      nic: { rateBps: 100_000_000_000, descriptorCacheSlots: 1024, descriptorBatch: 64 },
      host: { cores: 4, hertz: 1e11 },
    },
    { protection: 'none', warmUpNs: 200_000, durationNs: 1_000_000 },
  );
  // 50.6 Gb/s less what descriptors, write-backs, vectors and doorbells take.
  expect(result.goodputBps / 1e9).toBeGreaterThan(46);
  expect(result.receiveGoodputBps / 1e9).toBeGreaterThan(46);
});
