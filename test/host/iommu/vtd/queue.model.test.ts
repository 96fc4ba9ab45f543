import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RemappingUnit } from '../../../../host/iommu/vtd/remapping-unit.js';
import { EventKernel } from '../../../../scheduler/event-kernel.js';
import { runs } from '../../../support/whole.js';
import { RecordingInterrupts, RecordingSink } from '../support/recording-sink.js';
import { SparseMemory } from '../support/sparse-memory.js';
import { NaiveQueue, TIMES } from './naive-queue.js';

// Register offsets as the specification has them.
const [GCMD, GSTS, FSTS, FECTL, IQH, IQT, IQA, ICS, IECTL, IQER] = [
  0x18, 0x1c, 0x34, 0x38, 0x80, 0x88, 0x90, 0x9c, 0xa0, 0xb0,
];
const QIE = 0x0400_0000;
const [QUEUE, OTHER, STATUS] = [0x2_0000, 0x3_0000, 0x4_0000];
const SILENT = 0x0108;

const bits = (value: number | bigint, low: number) => BigInt(value) << BigInt(low);
const device = fc.constantFrom(SILENT, 0x0110, 0xffff);
const domain = fc.nat({ max: 0xffff });
const granularity = fc.nat({ max: 3 });
const address = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constant(2n ** 64n - 1n));

/** Descriptors as software makes them, field by field. */
const wellFormed = fc.oneof(
  fc
    .tuple(granularity, domain, device, fc.nat({ max: 3 }))
    .map(([g, did, sid, fm]) => 1n | bits(g, 4) | bits(did, 16) | bits(sid, 32) | bits(fm, 48)),
  fc.tuple(granularity, domain, address, fc.nat({ max: 20 }), fc.boolean()).map(([g, did, at, am, ih]) => {
    const high = (at & ~0xfffn) | bits(am, 0) | bits(ih ? 1 : 0, 6);
    return 2n | bits(g, 4) | bits(did, 16) | bits(high, 64);
  }),
  fc
    .tuple(device, address, fc.boolean())
    .map(([sid, at, s]) => 3n | bits(sid, 32) | bits((at & ~0xfffn) | (s ? 1n : 0n), 64)),
  fc
    .tuple(fc.boolean(), fc.nat({ max: 31 }), domain)
    .map(([g, im, index]) => 4n | bits(g ? 1 : 0, 4) | bits(im, 27) | bits(index, 32)),
  fc
    .tuple(
      fc.nat({ max: 7 }),
      fc.nat({ max: 0xffff_ffff }),
      fc.constantFrom(STATUS, STATUS + 4, STATUS + 8, 0x9_0000),
    )
    .map(([flags, data, at]) => 5n | bits(flags, 4) | bits(data, 32) | bits(at, 64)),
);
/** One of them, perhaps with a bit turned over. */
const descriptor = fc
  .tuple(wellFormed, fc.option(fc.nat({ max: 127 }), { nil: undefined, freq: 4 }))
  .map(([whole, flipped]) => (flipped === undefined ? whole : whole ^ (1n << BigInt(flipped))));

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('post' as const),
      descriptors: fc.array(descriptor, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      ns: fc.oneof(fc.nat({ max: 200 }), fc.constant(20_000)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('clear' as const),
      bits: fc.constantFrom(0x10, 0x40, 0x71, 0xffff_ffff),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('tail' as const),
      tail: fc.constantFrom(0, 16, 4080, 4096, 0x7_fff0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('enable' as const), on: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('base' as const),
      base: fc.constantFrom(QUEUE, OTHER, OTHER + 1, 0x8_0000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('mask' as const),
      which: fc.constantFrom('fault' as const, 'invalidation' as const),
      masked: fc.boolean(),
    }),
  },
);

test('the invalidation queue does what the specification says (VT-d 6.5.2), whatever software writes and when', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const kernel = new EventKernel();
      const memory = new SparseMemory();
      for (const page of [QUEUE, OTHER, STATUS]) memory.add(page);
      const sink = new RecordingSink();
      sink.costNs = TIMES.sink;
      sink.silent.add(SILENT);
      const interrupts = new RecordingInterrupts();
      const { registers, ...unit } = unitOf(kernel, memory, sink, interrupts);
      const model = new NaiveQueue(
        (at) => (memory.reachable(at) ? memory.readU64(at) | (memory.readU64(at + 8) << 64n) : undefined),
        memory.reachable,
        sink.silent,
      );
      const both = {
        base: (value: number) => {
          registers.write64(IQA, BigInt(value));
          model.writeBase(BigInt(value));
        },
        enable: (on: boolean) => {
          registers.write32(GCMD, on ? QIE : 0);
          model.enable(on);
        },
        tail: (value: number) => {
          registers.write64(IQT, BigInt(value));
          model.writeTail(value);
        },
      };
      both.base(QUEUE);
      both.enable(true);
      for (const one of steps) {
        if (one.kind === 'post') {
          // Software writes where the queue in use lies, behind the tail that it wrote last.
          let tail = Number(registers.read64(IQT)) % 4096;
          for (const word of one.descriptors) {
            for (const base of [QUEUE, OTHER]) {
              memory.writeU64(base + tail, word & (2n ** 64n - 1n));
              memory.writeU64(base + tail + 8, word >> 64n);
            }
            tail = (tail + 16) % 4096;
          }
          both.tail(tail);
        } else if (one.kind === 'run') {
          kernel.run(kernel.nowNs + one.ns);
          model.run(kernel.nowNs);
        } else if (one.kind === 'clear') {
          registers.write32(FSTS, one.bits);
          model.clearStatus(one.bits);
        } else if (one.kind === 'acknowledge') {
          registers.write32(ICS, 1);
          model.acknowledge();
        } else if (one.kind === 'mask') {
          registers.write32(one.which === 'fault' ? FECTL : IECTL, one.masked ? 0x8000_0000 : 0);
          model.mask(one.which, one.masked);
        } else if (one.kind === 'tail') both.tail(one.tail);
        else if (one.kind === 'base') both.base(one.base);
        else both.enable(one.on);
        unit.check();
        expect({
          iqh: registers.read64(IQH),
          fsts: registers.read32(FSTS),
          ics: registers.read32(ICS),
          iqer: registers.read64(IQER),
          fectl: registers.read32(FECTL),
          iectl: registers.read32(IECTL),
          enabled: registers.read32(GSTS) === QIE,
        }).toEqual(model.state);
        expect(sink.calls.map(whatCounts)).toEqual(model.calls.map(whatCounts));
        expect(interrupts.raised.map((line) => line.split(' ')[0])).toEqual(model.raised);
        for (const [at, data] of model.status) expect(memory.readU32(at)).toBe(data);
      }
    }),
    { numRuns: runs(1500) },
  );
});

/** A global invalidation names no domain and no device: what the descriptor has there does not count. */
function whatCounts(call: string): string {
  return /^\w+ global/u.exec(call)?.[0] ?? call;
}

function unitOf(
  kernel: EventKernel,
  memory: SparseMemory,
  sink: RecordingSink,
  interrupts: RecordingInterrupts,
) {
  const timing = {
    descriptorFetchNs: TIMES.fetch,
    statusWriteNs: TIMES.status,
    interruptEntryNs: TIMES.entries,
    deviceTimeoutNs: TIMES.silence,
  };
  const { reachable } = memory;
  const unit = new RemappingUnit({ kernel, memory, reachable, sink, interrupts, timing });
  return { registers: unit.registers, check: () => unit.checkInvariants() };
}
