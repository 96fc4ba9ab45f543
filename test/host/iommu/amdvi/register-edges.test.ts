import { describe, expect, it } from 'vitest';
import { type AmdviCommand, writeCommand } from '../../../../host/iommu/amdvi/commands.js';
import { amdviEventText } from '../../../../host/iommu/amdvi/events.js';
import { AmdviUnit } from '../../../../host/iommu/amdvi/unit.js';
import { InterruptResult } from '../../../../host/iommu/interrupt-remapping.js';
import { WalkResult } from '../../../../host/iommu/table-walker.js';
import { hostPhysicalAddress, ioVirtualAddress, requesterId } from '../../../../nic/addresses.js';
import { EventKernel } from '../../../../scheduler/event-kernel.js';
import { RecordingInterrupts, RecordingSink } from '../support/recording-sink.js';
import { SparseMemory } from '../support/sparse-memory.js';

// Offsets and bits as the specification has them (AMD 48882, 3.4).
const [DEVICE_TABLE_BASE, COMMAND_BASE, EVENT_BASE, CONTROL] = [0x00, 0x08, 0x10, 0x18];
const [COMMAND_HEAD, COMMAND_TAIL, EVENT_HEAD, EVENT_TAIL, STATUS] = [0x2000, 0x2008, 0x2010, 0x2018, 0x2020];
const [IOMMU_EN, EVENT_LOG_EN, EVENT_INT_EN, COM_WAIT_INT_EN, CMD_BUF_EN] = [
  1n,
  1n << 2n,
  1n << 3n,
  1n << 4n,
  1n << 12n,
];
const ALL = IOMMU_EN | EVENT_LOG_EN | EVENT_INT_EN | COM_WAIT_INT_EN | CMD_BUF_EN;
const [EVENT_LOG_INT, COM_WAIT_INT] = [2n, 4n];
const [DEVICES, COMMANDS, EVENTS, TABLE] = [0x1_0000, 0x2_0000, 0x3_0000, 0x4_0000];
const DEVICE = requesterId(5);

function machine(control = ALL) {
  const kernel = new EventKernel();
  const memory = new SparseMemory();
  for (const page of [DEVICES, COMMANDS, EVENTS, TABLE]) memory.add(page);
  const sink = new RecordingSink();
  const interrupts = new RecordingInterrupts();
  const unit = new AmdviUnit({ kernel, memory, reachable: memory.reachable, sink, interrupts });
  const read = (offset: number) => unit.registers.read64(offset);
  const write = (offset: number, value: bigint) => unit.registers.write64(offset, value);
  unit.log.setMessage(0xfee0_3000, 0x51);
  const configure = () => {
    write(DEVICE_TABLE_BASE, BigInt(DEVICES));
    write(COMMAND_BASE, (8n << 56n) | BigInt(COMMANDS));
    write(EVENT_BASE, (8n << 56n) | BigInt(EVENTS));
    write(CONTROL, control);
  };
  configure();
  // V and TV, mode 0, no permission.
  for (let device = 0; device < 128; device += 1) memory.writeU64(DEVICES + device * 32, 3n);
  const out = new WalkResult();
  const fault = (device: number) => {
    unit.walk(requesterId(device), ioVirtualAddress(0), false, out);
    return unit.recordFault(requesterId(device), ioVirtualAddress(0), false, out);
  };
  const post = (...commands: AmdviCommand[]) => {
    let tail = Number(read(COMMAND_TAIL));
    for (const command of commands) {
      writeCommand(memory, hostPhysicalAddress(COMMANDS + tail), command);
      tail = (tail + 16) % 4096;
    }
    write(COMMAND_TAIL, BigInt(tail));
    kernel.drain();
  };
  const sent = new InterruptResult();
  const message = (data: number, device = DEVICE) => {
    unit.remapInterrupt(device, 0xfee0_3000, data, sent);
    if (sent.delivered) return sent.vector;
    const logged = unit.recordInterruptFault(device, sent, 0xfee0_3000);
    return `event ${sent.faultReason}${logged === undefined ? ' unlogged' : ''}`;
  };
  return { kernel, memory, sink, interrupts, unit, read, write, configure, fault, post, message };
}

describe('interrupts of the unit', () => {
  it.each([
    [true, 'with EventIntEn'],
    [false, 'without'],
  ])('tell of an event once until software has seen it, %s %s', (enabled) => {
    const { interrupts, fault, read, write } = machine(enabled ? ALL : ALL & ~EVENT_INT_EN);
    const one = enabled ? ['fault fee03000 81'] : [];
    fault(1);
    expect([interrupts.take(), read(STATUS) & EVENT_LOG_INT]).toEqual([one, EVENT_LOG_INT]);
    fault(2);
    expect(interrupts.take()).toEqual([]);
    write(STATUS, EVENT_LOG_INT);
    fault(3);
    expect(interrupts.take()).toEqual(one);
  });

  it('tell of a COMPLETION_WAIT that asked for it, once until software has seen it, and of no other', () => {
    const { interrupts, post, read, write } = machine();
    post({ type: 'completion-wait' }, { type: 'invalidate-all' });
    expect([interrupts.take(), read(STATUS) & COM_WAIT_INT]).toEqual([[], 0n]);
    post({ type: 'completion-wait', interrupt: true });
    expect([interrupts.take(), read(STATUS) & COM_WAIT_INT]).toEqual([
      ['invalidation fee03000 81'],
      COM_WAIT_INT,
    ]);
    post({ type: 'completion-wait', interrupt: true }, { type: 'invalidate-all' });
    expect(interrupts.take()).toEqual([]);
    write(STATUS, COM_WAIT_INT);
    post({ type: 'completion-wait', interrupt: true });
    expect(interrupts.take()).toHaveLength(1);
  });

  it('do not tell of it while ComWaitIntEn is 0, and the status says so all the same', () => {
    const { interrupts, post, read } = machine(ALL & ~COM_WAIT_INT_EN);
    post({ type: 'completion-wait', interrupt: true });
    expect([interrupts.take(), read(STATUS) & COM_WAIT_INT]).toEqual([[], COM_WAIT_INT]);
  });
});

describe('commands as words (AMD 48882, 2.4)', () => {
  const words = (command: AmdviCommand) => {
    const memory = new SparseMemory();
    writeCommand(memory, hostPhysicalAddress(0), command);
    return [0, 4, 8, 12].map((at) => memory.readU32(at));
  };

  it.each([
    [{ type: 'completion-wait' }, [0, 0x1000_0000, 0, 0]],
    [{ type: 'completion-wait', interrupt: true, flush: true }, [6, 0x1000_0000, 0, 0]],
    [
      { type: 'completion-wait', storeAddress: hostPhysicalAddress(0x3_0000_1008), data: 5n + 2n ** 32n },
      [0x1009, 0x1000_0003, 5, 1],
    ],
    [{ type: 'invalidate-devtab-entry', deviceId: DEVICE }, [5, 0x2000_0000, 0, 0]],
    [{ type: 'invalidate-interrupt-table', deviceId: DEVICE }, [5, 0x5000_0000, 0, 0]],
    [
      { type: 'prefetch', deviceId: DEVICE, address: ioVirtualAddress(0x7_1234_5000) },
      [5, 0x6000_0000, 0x1234_5000, 7],
    ],
    [{ type: 'complete-ppr', deviceId: DEVICE }, [5, 0x7000_0000, 0, 0]],
    [{ type: 'invalidate-all' }, [0, 0x8000_0000, 0, 0]],
  ] as const)('%o', (command, expected) => {
    expect(words(command)).toEqual(expected);
  });
});

describe('rings', () => {
  it('begin empty where a new base is written, commands and events alike', () => {
    const { fault, post, read, write } = machine();
    fault(1);
    post({ type: 'invalidate-all' });
    expect([EVENT_TAIL, COMMAND_HEAD, COMMAND_TAIL].map(read)).toEqual([16n, 16n, 16n]);
    write(EVENT_HEAD, 16n);
    write(EVENT_BASE, (8n << 56n) | BigInt(EVENTS));
    expect([EVENT_HEAD, EVENT_TAIL, COMMAND_HEAD].map(read)).toEqual([0n, 0n, 16n]);
    write(COMMAND_BASE, (8n << 56n) | BigInt(COMMANDS));
    expect([COMMAND_HEAD, COMMAND_TAIL].map(read)).toEqual([0n, 0n]);
  });

  it('of commands runs while CmdBufEn is set, whatever else changes', () => {
    const { sink, post, write, read, kernel } = machine();
    sink.take();
    write(CONTROL, ALL & ~EVENT_INT_EN);
    post({ type: 'invalidate-devtab-entry', deviceId: DEVICE });
    expect(sink.take()).toEqual(['context device 0 5 0']);
    write(CONTROL, ALL & ~CMD_BUF_EN);
    post({ type: 'invalidate-devtab-entry', deviceId: DEVICE });
    expect([sink.take(), read(COMMAND_HEAD)]).toEqual([[], 16n]);
    write(CONTROL, ALL);
    write(COMMAND_TAIL, 32n);
    kernel.drain();
    expect([sink.take(), read(COMMAND_HEAD)]).toEqual([['context device 0 5 0'], 32n]);
  });
});

describe('a head that software moves while a command is fetched', () => {
  it('to where no command lies is an error of the ring, and nothing there is carried out (AMD 48882, 2.4.1)', () => {
    const { kernel, memory, sink, unit, read, write } = machine();
    // Behind the ring of 256 commands lies what would be one.
    memory.add(COMMANDS + 0x1000);
    const everything = { type: 'invalidate-all' } as const;
    writeCommand(memory, hostPhysicalAddress(COMMANDS + 0x1000), everything);
    writeCommand(memory, hostPhysicalAddress(COMMANDS), everything);
    sink.take();
    write(COMMAND_TAIL, 16n);
    write(COMMAND_HEAD, 0x1000n);
    kernel.drain();
    unit.checkInvariants();
    expect([sink.take(), read(STATUS) & (1n << 4n)]).toEqual([[], 0n]);
    expect(memory.readU32(EVENTS + 4) >>> 28).toBe(6);
  });
});

describe('a control register that is written by halves', () => {
  it('starts and stops the commands with the half that says so, and with no other write', () => {
    const { sink, post, read, unit } = machine(0n);
    const half = (value: bigint) => unit.registers.write32(CONTROL, Number(value));
    sink.take();
    post({ type: 'invalidate-devtab-entry', deviceId: DEVICE });
    expect(sink.take()).toEqual([]);
    half(IOMMU_EN | CMD_BUF_EN);
    post({ type: 'invalidate-devtab-entry', deviceId: DEVICE });
    const [context] = ['context device 0 5 0'];
    expect(sink.take().filter((one) => one === context)).toHaveLength(2);
    half(IOMMU_EN);
    post({ type: 'invalidate-devtab-entry', deviceId: DEVICE });
    expect([sink.take(), read(COMMAND_HEAD)]).toEqual([[], 32n]);
  });

  it('does not set commands going again that an error has stopped, as long as CmdBufEn stays set', () => {
    const { memory, sink, post, read, unit, write, kernel } = machine();
    // Opcode 15 is none.
    memory.writeU32(COMMANDS + 4, 0xf000_0000);
    write(COMMAND_TAIL, 16n);
    kernel.drain();
    sink.take();
    // Software puts a good one in its place: that alone does not set them going, nor does another bit.
    writeCommand(memory, hostPhysicalAddress(COMMANDS), {
      type: 'invalidate-devtab-entry',
      deviceId: DEVICE,
    });
    unit.registers.write32(CONTROL, Number(ALL & ~COM_WAIT_INT_EN));
    post({ type: 'invalidate-devtab-entry', deviceId: DEVICE });
    expect([sink.take(), read(COMMAND_HEAD)]).toEqual([[], 0n]);
    unit.registers.write32(CONTROL, Number(ALL & ~CMD_BUF_EN));
    unit.registers.write32(CONTROL, Number(ALL));
    kernel.drain();
    expect([sink.take().length, read(COMMAND_HEAD)]).toEqual([2, 32n]);
  });
});

describe('interrupt remapping', () => {
  const REMAPPED = 2n << 60n;
  const setDevice = (memory: SparseMemory, interrupts: bigint, flags = 0n) => {
    memory.writeU64(DEVICES + DEVICE * 32 + 8, flags);
    memory.writeU64(DEVICES + DEVICE * 32 + 16, interrupts);
  };
  /** IV, 2^log2 entries. */
  const table = (log2: bigint) => 1n | (log2 << 1n) | BigInt(TABLE) | REMAPPED;

  it.each([
    [0n, 1],
    [4n, 16],
    [11n, 2048],
  ])('IntTabLen %d: indexes below %d are entries, and no others', (log2, entries) => {
    const { memory, message } = machine();
    setDevice(memory, table(log2));
    for (let index = 0; index <= entries; index += 1) memory.writeU32(TABLE + index * 4, 1 | (0x41 << 16));
    expect(message(entries - 1)).toBe(0x41);
    // Of the data only bits 10:0 are the index.
    if (entries < 2048) expect(message(entries)).toBe('event 2');
  });

  it.each([
    ['neither SE nor SA', 0n, ['event 2', 'event 2']],
    ['SE', 1n << 33n, ['event 2', 'event 2 unlogged']],
    ['SA', 1n << 34n, ['event 2 unlogged', 'event 2 unlogged']],
  ])('logs a message that was stopped as the DTE says: %s', (_what, flags, expected) => {
    const { memory, message } = machine();
    setDevice(memory, 1n, flags);
    expect([message(3), message(3)]).toEqual(expected);
  });

  it('is off after a reset, and what it had cached is not believed afterwards', () => {
    const { memory, unit, message, configure } = machine();
    setDevice(memory, table(4n));
    memory.writeU32(TABLE + 12, 1 | (0x41 << 16));
    expect(message(3)).toBe(0x41);
    unit.reset();
    expect(message(3)).toBe(3);
    memory.writeU32(TABLE + 12, 1 | (0x61 << 16));
    configure();
    expect(message(3)).toBe(0x61);
  });
});

describe('a device table after a reset', () => {
  it('is none for messages too, until software names one again', () => {
    const { memory, unit, write, message } = machine();
    memory.writeU64(DEVICES + DEVICE * 32 + 16, 1n | (4n << 1n) | BigInt(TABLE) | (2n << 60n));
    memory.writeU32(TABLE + 12, 1 | (0x41 << 16));
    expect(message(3)).toBe(0x41);
    unit.reset();
    write(CONTROL, IOMMU_EN);
    // The register says one page at 0, of which there is no memory.
    expect(message(3)).toMatch(/^event [13]/u);
    write(DEVICE_TABLE_BASE, BigInt(DEVICES));
    expect(message(3)).toBe(0x41);
  });
});

describe('an event in words', () => {
  it.each([
    [2, 0x000, 'page not present'],
    [2, 0x010, 'no read permission'],
    [2, 0x030, 'no write permission'],
    [2, 0x0b0, 'reserved bit or wrong level in a page table entry'],
    [1, 0x000, 'illegal device table entry'],
    [5, 0x080, 'illegal command'],
    [0xc, 0, 'event 0xc'],
  ])('%d with flags %d: %s', (code, flags, text) => {
    expect(amdviEventText(code, flags)).toBe(text);
  });
});

describe('the levels of a unit', () => {
  const parts = { kernel: new EventKernel(), memory: new SparseMemory() };
  const build = (maxMode: number) => () =>
    new AmdviUnit({ ...parts, sink: new RecordingSink(), interrupts: new RecordingInterrupts(), maxMode });

  it.each([4, 5, 6])('%d is one of those that there are', (maxMode) => {
    expect(build(maxMode)().registers.read64(0x30) >> 10n).toBe(BigInt(maxMode - 4));
  });

  it.each([3, 7, 4.5])('%d is refused', (maxMode) => {
    expect(build(maxMode)).toThrow(`maxMode is ${maxMode}, expected 4, 5 or 6`);
  });
});
