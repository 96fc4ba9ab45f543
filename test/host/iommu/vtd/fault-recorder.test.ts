import { beforeEach, describe, expect, it } from 'vitest';
import { RegisterFile } from '../../../../host/iommu/register-file.js';
import { DEFAULT_VTD_CAPABILITIES } from '../../../../host/iommu/vtd/capabilities.js';
import { EventMessage } from '../../../../host/iommu/vtd/event-message.js';
import { FaultRecorder } from '../../../../host/iommu/vtd/fault-recorder.js';
import { type VtdRegisterName, vtdRegisters } from '../../../../host/iommu/vtd/registers.js';
import { ioVirtualAddress, requesterId } from '../../../../nic/addresses.js';
import { RecordingInterrupts } from '../support/recording-sink.js';

const [FSTS, FECTL, FRCD] = [0x34, 0x38, 0x220];
const [PFO, PPF, IQE, ICE, ITE] = [1, 2, 0x10, 0x20, 0x40];
const RECORDS = 3;

let registers: RegisterFile<VtdRegisterName>;
let interrupts: RecordingInterrupts;
let recorder: FaultRecorder;

beforeEach(() => {
  interrupts = new RecordingInterrupts();
  const definitions = vtdRegisters({ ...DEFAULT_VTD_CAPABILITIES, faultRecords: RECORDS });
  registers = new RegisterFile<VtdRegisterName>(definitions, 4096, () => {});
  recorder = new FaultRecorder(registers, new EventMessage(registers, 'FE', interrupts), RECORDS);
  registers.write32(FECTL, 0);
});

const fault = (requester: number) =>
  recorder.record(requesterId(requester), ioVirtualAddress(0x1000), true, 5);
/** Software writes 1 to F of a record. */
const clear = (record: number) => {
  registers.write64(FRCD + record * 16 + 8, 1n << 63n);
  recorder.onClear();
};

// VT-d specification, 7.2 (fault logging) and 11.4.7 (FSTS).
describe('the fault event', () => {
  it.each([
    ['IQE', IQE],
    ['ICE', ICE],
    ['ITE', ITE],
  ])('is not sent again by a fault while %s is pending', (_name, bit) => {
    recorder.reportQueueError(bit);
    expect(interrupts.take()).toHaveLength(1);
    expect(fault(0x0101)).toBe('recorded');
    expect(interrupts.take()).toEqual([]);
    expect(registers.read32(FSTS)).toBe(bit | PPF);
  });

  it('is sent by a queue error only if nothing else is pending', () => {
    fault(0x0101);
    expect(interrupts.take()).toHaveLength(1);
    recorder.reportQueueError(IQE);
    expect([interrupts.take(), registers.read32(FSTS)]).toEqual([[], PPF | IQE]);
  });

  it('stays pending while any cause is left, and is withdrawn with the last', () => {
    registers.write32(FECTL, 0x8000_0000);
    fault(0x0101);
    recorder.reportQueueError(ITE);
    clear(0);
    expect(registers.read32(FECTL)).toBe(0xc000_0000);
    registers.write32(FSTS, ITE);
    recorder.onClear();
    expect(registers.read32(FECTL)).toBe(0x8000_0000);
    expect(interrupts.take()).toEqual([]);
  });

  it('stays pending for an overflow, though every record is clear', () => {
    registers.write32(FECTL, 0x8000_0000);
    for (const requester of [1, 2, 3, 4]) fault(requester);
    for (const record of [0, 1, 2]) clear(record);
    expect([registers.read32(FSTS), registers.read32(FECTL)]).toEqual([PFO, 0xc000_0000]);
  });
});

describe('the fault records', () => {
  it('are filled in turn, and FRI names the first of those that wait', () => {
    expect([fault(1), fault(2), fault(3)]).toEqual(['recorded', 'recorded', 'recorded']);
    for (const record of [0, 1, 2]) clear(record);
    expect(registers.read32(FSTS)).toBe(0);
    expect([fault(4), fault(5)]).toEqual(['recorded', 'recorded']);
    expect(registers.read32(FSTS)).toBe(PPF);
    expect(registers.read64(FRCD + 16 + 8) & 0xffffn).toBe(5n);
    clear(0);
    clear(1);
    expect(fault(6)).toBe('recorded');
    expect(registers.read32(FSTS)).toBe(PPF | (2 << 8));
    recorder.checkInvariants();
  });

  it('begin with the first again after a reset', () => {
    fault(1);
    clear(0);
    recorder.reset();
    fault(2);
    expect(registers.read64(FRCD + 8) & 0xffffn).toBe(2n);
  });

  it('count what was recorded, compressed and dropped', () => {
    const outcomes = [1, 1, 2, 3, 4, 1].map(fault);
    expect(outcomes).toEqual(['recorded', 'compressed', 'recorded', 'recorded', 'overflow', 'overflow']);
    expect(recorder.counters).toEqual({ recorded: 3, compressed: 1, dropped: 2 });
  });

  it('compress by the whole requester ID and nothing else', () => {
    fault(0x0100);
    expect([fault(0x0200), fault(0x0101), fault(0x0100)]).toEqual(['recorded', 'recorded', 'compressed']);
  });

  it('hold a page above 4 GB in both halves, and whether it was a read', () => {
    recorder.record(requesterId(0x0300), ioVirtualAddress(2 ** 50 + 0x7654_3210), false, 6);
    expect(registers.read64(FRCD)).toBe(2n ** 50n + 0x7654_3000n);
    expect(registers.read64(FRCD + 8)).toBe((1n << 63n) | (1n << 62n) | (6n << 32n) | 0x0300n);
  });
});
