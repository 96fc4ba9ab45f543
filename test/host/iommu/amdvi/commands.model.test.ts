import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AmdviUnit } from '../../../../host/iommu/amdvi/unit.js';
import { EventKernel } from '../../../../scheduler/event-kernel.js';
import { runs } from '../../../support/whole.js';
import { RecordingInterrupts, RecordingSink } from '../support/recording-sink.js';
import { SparseMemory } from '../support/sparse-memory.js';
import { NaiveCommands, TIMES } from './naive-commands.js';

// Register offsets as the specification has them.
const [COMMAND_BASE, EVENT_BASE, CONTROL] = [0x08, 0x10, 0x18];
const [COMMAND_HEAD, COMMAND_TAIL, EVENT_HEAD, EVENT_TAIL, STATUS] = [0x2000, 0x2008, 0x2010, 0x2018, 0x2020];
/** IommuEn, EventLogEn, EventIntEn, ComWaitIntEn, InvTimeOut 1 and CmdBufEn. */
const ON = 0x1 | 0x4 | 0x8 | 0x10 | 0x20 | 0x1000;
const [COMMANDS, OTHER, EVENTS, STORE] = [0x2_0000, 0x3_0000, 0x4_0000, 0x5_0000];
const SILENT = 0x0108;

const bits = (value: number | bigint, low: number) => BigInt(value) << BigInt(low);
const device = fc.constantFrom(SILENT, 0x0110, 0xffff);
const domain = fc.nat({ max: 0xffff });
const address = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constant(2n ** 64n - 1n));
const range = fc.tuple(address, fc.boolean()).map(([at, s]) => bits((at & ~0xfffn) | (s ? 1n : 0n), 64));

/** Commands as software makes them, field by field. */
const wellFormed = fc.oneof(
  fc
    .tuple(
      fc.nat({ max: 7 }),
      fc.constantFrom(STORE, STORE + 8, 0x9_0000),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    )
    .map(([flags, at, data]) => bits(1, 60) | bits(at, 0) | bits(flags, 0) | bits(data, 64)),
  device.map((id) => bits(2, 60) | bits(id, 0)),
  fc
    .tuple(domain, range, fc.boolean())
    .map(([id, at, pde]) => bits(3, 60) | bits(id, 32) | at | bits(pde ? 1 : 0, 65)),
  fc.tuple(device, range).map(([id, at]) => bits(4, 60) | bits(id, 0) | at),
  device.map((id) => bits(5, 60) | bits(id, 0)),
  fc.constantFrom(bits(6, 60), bits(7, 60), bits(8, 60)),
);
/** One of them, perhaps with a bit turned over. */
const command = fc
  .tuple(wellFormed, fc.option(fc.nat({ max: 127 }), { nil: undefined, freq: 4 }))
  .map(([whole, flipped]) => (flipped === undefined ? whole : whole ^ (1n << BigInt(flipped))));

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('post' as const),
      commands: fc.array(command, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      ns: fc.oneof(fc.nat({ max: 200 }), fc.constantFrom(20_000, 3_000_000)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('control' as const),
      value: fc.constantFrom(ON, ON & ~0x1000, ON & ~4, ON & ~1, ON & ~0x18, ON & ~0x20, ON | 0xc0),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('clear' as const),
      bits: fc.constantFrom(1, 2, 4, 0xffff_ffff),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('tail' as const),
      tail: fc.constantFrom(0, 16, 4080, 4096, 0x7_fff0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('head' as const),
      head: fc.constantFrom(0, 32, 4080, 4096),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('base' as const),
      base: fc.constantFrom(COMMANDS, OTHER, 0x8_0000),
      log2: fc.constantFrom(0, 8, 9),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('event-head' as const),
      head: fc.constantFrom(0, 16, 64),
    }),
  },
);

test('command buffer and event log do what the specification says (AMD 48882, 2.4 and 2.5), whatever software writes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const kernel = new EventKernel();
      const memory = new SparseMemory();
      for (const page of [COMMANDS, OTHER, EVENTS, STORE]) memory.add(page);
      const sink = new RecordingSink();
      sink.costNs = TIMES.sink;
      sink.silent.add(SILENT);
      const interrupts = new RecordingInterrupts();
      const { reachable } = memory;
      const timing = {
        descriptorFetchNs: TIMES.fetch,
        statusWriteNs: TIMES.status,
        interruptEntryNs: TIMES.entries,
      };
      const unit = new AmdviUnit({ kernel, memory, reachable, sink, interrupts, timing });
      const { registers } = unit;
      const model = new NaiveCommands(
        (at) => (reachable(at) ? memory.readU64(at) | (memory.readU64(at + 8) << 64n) : undefined),
        reachable,
        sink.silent,
        EVENTS,
      );
      let control = 0;
      const both = {
        control: (value: number) => {
          control = value;
          registers.write64(CONTROL, BigInt(value));
          model.writeControl(value);
        },
        base: (base: number, log2: number) => {
          registers.write64(COMMAND_BASE, BigInt(base) | bits(log2, 56));
          model.writeBase(base, log2);
        },
        tail: (value: number) => {
          registers.write64(COMMAND_TAIL, BigInt(value));
          model.writeTail(value);
        },
      };
      registers.write64(EVENT_BASE, BigInt(EVENTS) | bits(8, 56));
      both.base(COMMANDS, 8);
      both.control(ON);
      for (const one of steps) {
        if (one.kind === 'post') {
          let tail = Number(registers.read64(COMMAND_TAIL)) % 4096;
          for (const word of one.commands) {
            for (const base of [COMMANDS, OTHER]) {
              memory.writeU64(base + tail, word & (2n ** 64n - 1n));
              memory.writeU64(base + tail + 8, word >> 64n);
            }
            tail = (tail + 16) % 4096;
          }
          both.tail(tail);
        } else if (one.kind === 'run') {
          kernel.run(kernel.nowNs + one.ns);
          model.run(kernel.nowNs);
        } else if (one.kind === 'control') both.control(one.value);
        else if (one.kind === 'restart') {
          both.control(control & ~0x1000);
          both.control(ON);
        } else if (one.kind === 'clear') {
          registers.write32(STATUS, one.bits);
          model.clearStatus(one.bits);
        } else if (one.kind === 'tail') both.tail(one.tail);
        else if (one.kind === 'head') {
          registers.write64(COMMAND_HEAD, BigInt(one.head));
          model.writeHead(one.head);
        } else if (one.kind === 'event-head') {
          registers.write64(EVENT_HEAD, BigInt(one.head));
          model.writeEventHead(one.head);
        } else {
          // The base is another one's only while no command is carried out.
          both.control(control & ~0x1000);
          both.base(one.base, one.log2);
          both.control(ON);
        }
        unit.checkInvariants();
        expect({
          head: registers.read64(COMMAND_HEAD),
          status: registers.read64(STATUS),
          eventTail: registers.read64(EVENT_TAIL),
        }).toEqual(model.state);
        expect(sink.calls).toEqual(model.calls);
        expect(interrupts.raised.map((line) => line.split(' ')[0])).toEqual(model.raised);
        for (const [at, data] of model.stored) expect(memory.readU64(at)).toBe(data);
      }
    }),
    { numRuns: runs(1500) },
  );
});
