import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { busAddress, requesterId } from '../../nic/addresses.js';
import {
  DMA_ABORTED,
  DMA_CANCELLED,
  DMA_OK,
  type DmaChannel,
  DmaEngine,
  type DmaStatus,
} from '../../nic/dma-engine.js';
import { abortAfter } from '../../nic/host-port.js';
import { DEFAULT_PCIE, PcieLink } from '../../nic/pcie-link.js';
import { contextId, storedContextId } from '../../scheduler/branded.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { runs } from '../support/whole.js';
import { type Access, FlatHost } from './support/flat-host.js';
import { gist } from './support/frames.js';

interface Told {
  readonly cookie: number;
  readonly status: DmaStatus;
  readonly atNs: number;
}

class Bench {
  readonly kernel = new EventKernel();
  readonly host = new FlatHost(this.kernel, 1 << 16);
  readonly link = new PcieLink();
  readonly engine: DmaEngine;
  readonly told: Told[] = [];
  readonly channel: DmaChannel;
  onTold: (told: Told) => void = () => {};

  constructor(maxInFlight = 4, contexts = 4, leastReadNs = 0) {
    this.host.leastReadNs = leastReadNs;
    this.engine = new DmaEngine(this.kernel, this.link, this.host, contexts, { maxInFlight });
    this.channel = this.engine.open((cookie, status) => {
      const told = { cookie, status, atNs: this.kernel.nowNs };
      this.told.push(told);
      this.onTold(told);
    });
  }

  write(cookie: number, context: number, address: number, bytes: Uint8Array): void {
    this.#describe(cookie, context, address, bytes);
    this.channel.write();
  }

  read(cookie: number, context: number, address: number, into: Uint8Array): void {
    this.#describe(cookie, context, address, into);
    this.channel.read();
  }

  #describe(cookie: number, context: number, address: number, buffer: Uint8Array): void {
    this.channel.owner = { index: storedContextId(context), requesterId: requesterId(0x100 + context) };
    this.channel.cookie = cookie;
    this.channel.address = busAddress(address);
    this.channel.length = buffer.length;
    this.channel.buffer = buffer;
  }
}

describe('the DMA engine', () => {
  it('reads: request up, gate and memory, completion down', () => {
    const bench = new Bench();
    bench.host.bytes.set([1, 2, 3, 4], 0x100);
    bench.host.takesNs = () => 90;
    const into = new Uint8Array(64);
    bench.read(7, 0, 0x100, into);
    bench.kernel.drain();
    const requestNs = bench.link.upstream.durationNs(DEFAULT_PCIE.requestHeaderBytes);
    const completionNs = bench.link.downstream.durationNs(64 + DEFAULT_PCIE.completionHeaderBytes);
    const atNs = requestNs + completionNs + 90 + 2 * DEFAULT_PCIE.propagationNs;
    expect(bench.told).toEqual([{ cookie: 7, status: DMA_OK, atNs }]);
    expect([...into.subarray(0, 4)]).toEqual([1, 2, 3, 4]);
    expect(bench.host.log).toMatchObject([{ atNs: requestNs + DEFAULT_PCIE.propagationNs, write: false }]);
  });

  it('writes: packets up, gate and memory; the bytes land when they arrive', () => {
    const bench = new Bench();
    bench.host.takesNs = () => 90;
    bench.write(8, 1, 0x200, Uint8Array.of(9, 8, 7));
    bench.kernel.drain();
    const upNs = bench.link.upstream.durationNs(3 + DEFAULT_PCIE.requestHeaderBytes);
    expect(bench.host.log).toMatchObject([{ atNs: upNs + DEFAULT_PCIE.propagationNs, requesterId: 0x101 }]);
    expect(bench.told).toEqual([{ cookie: 8, status: DMA_OK, atNs: upNs + DEFAULT_PCIE.propagationNs + 90 }]);
    expect([...bench.host.bytes.subarray(0x200, 0x203)]).toEqual([9, 8, 7]);
  });

  it('splits at 4 KB, and waits for the slowest piece', () => {
    const bench = new Bench();
    bench.host.takesNs = (access) => (access.address === 0x2000 ? 500 : 10);
    const bytes = Uint8Array.from({ length: 9000 }, (_, index) => index);
    bench.write(0, 0, 0x1f00, bytes);
    bench.kernel.drain();
    expect(bench.host.log.map(({ address, length }) => [address, length])).toEqual([
      [0x1f00, 0x100],
      [0x2000, 0x1000],
      [0x3000, 0x1000],
      [0x4000, 9000 - 0x2100],
    ]);
    expect(gist(bench.host.bytes.subarray(0x1f00, 0x1f00 + 9000))).toBe(gist(bytes));
    expect(bench.told[0]?.atNs).toBe((bench.host.log[0]?.atNs ?? 0) + 500);
  });

  it('tells of an abort; pieces behind the refused one are not touched', () => {
    const bench = new Bench();
    bench.host.refuses = (access) => access.address === 0x2000;
    bench.write(0, 0, 0x1ffe, Uint8Array.of(1, 2, 3, 4));
    bench.kernel.drain();
    expect(bench.told).toMatchObject([{ status: DMA_ABORTED }]);
    expect([...bench.host.bytes.subarray(0x1ffe, 0x2002)]).toEqual([1, 2, 0, 0]);
    bench.read(1, 0, 0x2000, new Uint8Array(4));
    bench.kernel.drain();
    expect(bench.told[1]).toMatchObject({ cookie: 1, status: DMA_ABORTED });
  });

  it('keeps no more in flight than it may, each way, and forgets none that waits', () => {
    const bench = new Bench(3);
    let inFlight = 0;
    let most = 0;
    bench.host.takesNs = () => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      return 10_000;
    };
    bench.onTold = () => {
      inFlight -= 1;
      bench.engine.checkInvariants();
    };
    for (let cookie = 0; cookie < 50; cookie += 1) bench.read(cookie, 0, 0x100, new Uint8Array(16));
    expect(bench.engine.outstanding).toBe(50);
    expect(bench.engine.backpressured).toBe(47);
    bench.kernel.drain();
    expect(most).toBe(3);
    expect(bench.told.map((told) => told.cookie)).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(bench.engine.outstanding).toBe(0);
    expect(bench.engine.peakWaiting).toBe(47);
  });

  it('does not let reads hold up writes', () => {
    const bench = new Bench(1);
    bench.host.takesNs = (access) => (access.write ? 0 : 1_000_000);
    bench.read(1, 0, 0x100, new Uint8Array(4));
    bench.write(2, 0, 0x200, Uint8Array.of(1));
    bench.kernel.drain();
    expect(bench.told.map((told) => told.cookie)).toEqual([2, 1]);
  });

  it('gets data in the order in which it is ready: a slow read of one requester does not hold up another', () => {
    const bench = new Bench(8);
    bench.host.takesNs = (access) => (access.address === 0x1000 ? 5_000 : 100);
    bench.read(0, 0, 0x1000, new Uint8Array(64));
    bench.read(1, 1, 0x2000, new Uint8Array(64));
    bench.kernel.drain();
    const requestsNs = bench.link.upstream.durationNs(2 * DEFAULT_PCIE.requestHeaderBytes);
    const completionNs = bench.link.downstream.durationNs(64 + DEFAULT_PCIE.completionHeaderBytes);
    expect(bench.told.map(({ cookie }) => cookie)).toEqual([1, 0]);
    expect(bench.told[0]?.atNs).toBe(requestsNs + 100 + completionNs + 2 * DEFAULT_PCIE.propagationNs);
  });

  it('is told of a refusal when the host knows of it, with what a completion without data takes', () => {
    const bench = new Bench();
    bench.host.read = () => abortAfter(300);
    bench.read(0, 0, 0x1000, new Uint8Array(64));
    bench.kernel.drain();
    const requestNs = bench.link.upstream.durationNs(DEFAULT_PCIE.requestHeaderBytes);
    const abortNs = bench.link.downstream.durationNs(DEFAULT_PCIE.completionHeaderBytes);
    const atNs = requestNs + 300 + abortNs + 2 * DEFAULT_PCIE.propagationNs;
    expect(bench.told).toEqual([{ cookie: 0, status: DMA_ABORTED, atNs }]);
    bench.host.write = () => abortAfter(300);
    const fromNs = bench.kernel.nowNs;
    bench.write(1, 0, 0x1000, Uint8Array.of(1));
    bench.kernel.drain();
    const writeNs = bench.link.upstream.durationNs(DEFAULT_PCIE.requestHeaderBytes + 1);
    expect(bench.told[1]?.atNs).toBe(fromNs + writeNs + DEFAULT_PCIE.propagationNs + 300);
  });

  it('ends reads of one requester in the order in which they were made, if the host answers them in order', () => {
    const read = fc.record({
      context: fc.integer({ min: 0, max: 2 }),
      gapNs: fc.constantFrom(0, 0, 4, 50, 300),
      translationNs: fc.constantFrom(0, 0, 0, 1, 40, 288, 2_000),
      refused: fc.integer({ min: 0, max: 7 }).map((dice) => dice === 0),
      length: fc.constantFrom(4, 64, 700),
    });
    fc.assert(
      fc.property(
        fc.array(read, { minLength: 2, maxLength: 60 }),
        fc.constantFrom(0, 1, 120),
        fc.integer({ min: 1, max: 40 }),
        (reads, leastReadNs, maxInFlight) => {
          const lastNs = [0, 0, 0];
          const bench = new Bench(maxInFlight, 4, leastReadNs);
          const { host, kernel } = bench;
          // An address says which read it belongs to.
          host.read = (requesterId, page) => {
            const { translationNs, refused } = reads[page] ?? { translationNs: 0, refused: true };
            const context = requesterId - 0x100;
            const aloneNs = kernel.nowNs + translationNs + (refused ? 0 : leastReadNs);
            lastNs[context] = Math.max(aloneNs, lastNs[context] ?? 0);
            const takesNs = (lastNs[context] ?? 0) - kernel.nowNs;
            return refused ? abortAfter(takesNs) : takesNs;
          };
          for (const [index, { context, gapNs, length }] of reads.entries()) {
            kernel.run(kernel.nowNs + gapNs);
            bench.read(index, context, index * 4096, new Uint8Array(length));
            bench.engine.checkInvariants();
          }
          kernel.drain();
          bench.engine.checkInvariants();
          expect(bench.told).toHaveLength(reads.length);
          for (const context of [0, 1, 2]) {
            const ended = bench.told
              .map(({ cookie }) => cookie)
              .filter((at) => reads[at]?.context === context);
            expect(ended).toEqual([...ended].sort((a, b) => a - b));
          }
        },
      ),
      { numRuns: runs(300) },
    );
  });

  it('retries what was back-pressured: every transfer ends once, writes reach memory in order, none of a stopped context does', () => {
    const transfer = fc.record({
      kind: fc.constantFrom('read', 'write', 'write', 'stop'),
      context: fc.integer({ min: -1, max: 3 }),
      length: fc.integer({ min: 1, max: 6000 }),
      gapNs: fc.constantFrom(0, 0, 0, 50, 400, 3000),
      takesNs: fc.constantFrom(0, 0, 100, 5000),
      refused: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
    });
    fc.assert(
      fc.property(
        fc.array(transfer, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 6 }),
        (transfers, maxInFlight) => {
          const bench = new Bench(maxInFlight);
          const { kernel, host, engine } = bench;
          const stopsAtNs = new Map<number, number>();
          const submitted: number[] = [];
          const begun: number[] = [];
          // An address says which transfer it belongs to: 64 KB apart, beyond the memory of the bench.
          const plan = (access: Access) => transfers[Math.floor(access.address / 65_536) - 1];
          host.takesNs = (access) => plan(access)?.takesNs ?? 0;
          host.read = (requesterId, page, offset, length) =>
            touch(requesterId, page * 4096 + offset, length, false);
          host.write = (requesterId, page, offset, length) =>
            touch(requesterId, page * 4096 + offset, length, true);
          const touch = (requesterId: number, address: number, length: number, write: boolean): number => {
            const access = { requesterId, address, length, write, atNs: kernel.nowNs };
            const index = Math.floor(address / 65_536) - 1;
            const what = transfers[index];
            if (write && begun.at(-1) !== index) begun.push(index);
            expect(kernel.nowNs).toBeLessThanOrEqual(stopsAtNs.get(index) ?? Number.POSITIVE_INFINITY);
            return what?.refused ? -1 : host.takesNs(access);
          };
          transfers.forEach((what, index) => {
            kernel.run(kernel.nowNs + what.gapNs);
            engine.checkInvariants();
            if (what.kind === 'stop') {
              if (what.context < 0) return;
              engine.stop(contextId(what.context));
              for (const other of submitted) {
                if (transfers[other]?.context === what.context && !stopsAtNs.has(other))
                  stopsAtNs.set(other, kernel.nowNs);
              }
              return;
            }
            submitted.push(index);
            const buffer = new Uint8Array(what.length);
            const address = (index + 1) * 65_536 + 4000;
            if (what.kind === 'read') bench.read(index, what.context, address, buffer);
            else bench.write(index, what.context, address, buffer);
          });
          kernel.drain();
          engine.checkInvariants();
          expect(engine.outstanding).toBe(0);
          expect(bench.told.map((told) => told.cookie).sort((a, b) => a - b)).toEqual(submitted);
          expect(begun).toEqual([...begun].sort((a, b) => a - b));
          for (const { cookie, status, atNs } of bench.told) {
            const stopNs = stopsAtNs.get(cookie);
            if (stopNs === undefined) expect(status).toBe(transfers[cookie]?.refused ? DMA_ABORTED : DMA_OK);
            else if (atNs > stopNs) expect(status).toBe(DMA_CANCELLED);
          }
        },
      ),
      { numRuns: runs(300) },
    );
  });

  it('takes no time of the link for transfers that were stopped while they waited', () => {
    const bench = new Bench(1);
    for (let cookie = 0; cookie < 20; cookie += 1) bench.write(cookie, 1, 0x100, new Uint8Array(4096));
    bench.write(20, 2, 0x200, Uint8Array.of(5));
    bench.engine.stop(contextId(1));
    bench.kernel.drain();
    expect(bench.told.slice(0, 20).every((told) => told.status === DMA_CANCELLED)).toBe(true);
    expect(bench.told[20]).toMatchObject({ cookie: 20, status: DMA_OK });
    expect(bench.engine.sentBytes).toBe(4096 + 16 * 24 + 1 + 24);
  });

  it.each([0, 65_537, 1.5, Number.NaN])('is not built for %d transfers in flight', (maxInFlight) => {
    expect(() => new Bench(maxInFlight)).toThrow(
      new RangeError(`dma.maxInFlight is ${maxInFlight}, expected a whole number from 1 to 65,536`),
    );
  });
});
