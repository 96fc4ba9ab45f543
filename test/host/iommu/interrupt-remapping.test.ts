import { describe, expect, it } from 'vitest';
import { type AmdviCommand, writeCommand } from '../../../host/iommu/amdvi/commands.js';
import { AmdviUnit } from '../../../host/iommu/amdvi/unit.js';
import { InterruptResult } from '../../../host/iommu/interrupt-remapping.js';
import {
  type InvalidationDescriptor,
  writeDescriptor,
} from '../../../host/iommu/vtd/invalidation-descriptors.js';
import { RemappingUnit } from '../../../host/iommu/vtd/remapping-unit.js';
import { hostPhysicalAddress, requesterId } from '../../../nic/addresses.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { RecordingInterrupts, RecordingSink } from './support/recording-sink.js';
import { SparseMemory } from './support/sparse-memory.js';

const DEVICE = requesterId(0x0208);
const TABLE = 0x2000;
const QUEUE = 0x3000;

// VT-d register offsets and bits.
const [ECAP, GCMD, GSTS, IQT, IQA, IRTA] = [0x10, 0x18, 0x1c, 0x88, 0x90, 0xb8];
const [QIE, IRE, SIRTP, CFI] = [0x0400_0000, 0x0200_0000, 0x0100_0000, 0x0080_0000];
/** An IRTE: present, vector in 23:16, destination in 47:40. */
const irte = (vector: number, destination: number, more = 0n) =>
  1n | (BigInt(vector) << 16n) | (BigInt(destination) << 40n) | more;
/** SVT 1: the source is verified against SID. */
const from = (sourceId: number, qualifier = 0, verify = 1) =>
  BigInt(sourceId) | (BigInt(qualifier) << 16n) | (BigInt(verify) << 18n);
/** A message of the remappable format: the handle in bits 19:5 and 2, IF in bit 4, SHV in bit 3. */
const remappable = (handle: number, subhandle = false) =>
  0xfee0_0010 + (handle & 0x7fff) * 32 + (handle >>> 15) * 4 + (subhandle ? 8 : 0);
/** A message of the compatibility format to APIC ID 3. */
const COMPATIBLE = 0xfee0_3000;

class VtdBench {
  readonly kernel = new EventKernel();
  readonly memory = new SparseMemory();
  readonly out = new InterruptResult();
  readonly unit: RemappingUnit;
  #tail = 0;

  constructor() {
    for (const page of [TABLE, QUEUE]) this.memory.add(page);
    this.unit = new RemappingUnit({
      kernel: this.kernel,
      memory: this.memory,
      reachable: this.memory.reachable,
      sink: new RecordingSink(),
      interrupts: new RecordingInterrupts(),
    });
    const { registers } = this.unit;
    registers.write64(IQA, BigInt(QUEUE));
    registers.write32(GCMD, QIE);
    registers.write64(IRTA, BigInt(TABLE + 7));
  }

  command(bits: number): void {
    const { registers } = this.unit;
    registers.write32(GCMD, ((registers.read32(GSTS) & ~SIRTP) | bits) >>> 0);
  }

  /** Remapping on, 256 entries. */
  on(): this {
    this.command(SIRTP);
    this.command(IRE);
    return this;
  }

  set(index: number, low: bigint, high = 0n): void {
    this.memory.writeU64(TABLE + index * 16, low);
    this.memory.writeU64(TABLE + index * 16 + 8, high);
  }

  /** [vector, delivery mode, destination], or the fault reason. */
  send(address: number, data = 0, device = DEVICE): number[] | string {
    const { out } = this;
    this.unit.remapInterrupt(device, address, data, out);
    if (!out.delivered) {
      const logged = this.unit.recordInterruptFault(device, out);
      return `f${out.faultReason.toString(16)}${logged === undefined ? ' unlogged' : ''}`;
    }
    return [out.vector, out.deliveryMode, out.destination];
  }

  invalidate(descriptor: InvalidationDescriptor): void {
    writeDescriptor(this.memory, hostPhysicalAddress(QUEUE + this.#tail), descriptor);
    this.#tail += 16;
    this.unit.registers.write32(IQT, this.#tail);
    this.kernel.run(this.kernel.nowNs + 10_000);
  }
}

describe('VT-d interrupt remapping', () => {
  it('V09 (kvm-unit-tests intel-iommu.c): is offered, and GSTS.IRTPS and IRES follow SIRTP and IRE', () => {
    const { unit, ...bench } = new VtdBench();
    const { registers } = unit;
    expect((registers.read64(ECAP) >> 3n) & 3n).toBe(1n); // IR, without EIM
    registers.write32(GCMD, (QIE | SIRTP) >>> 0);
    expect(registers.read32(GSTS)).toBe(QIE | SIRTP);
    registers.write32(GCMD, (QIE | IRE) >>> 0);
    expect(registers.read32(GSTS)).toBe(QIE | SIRTP | IRE);
    registers.write32(GCMD, QIE);
    expect(registers.read32(GSTS) & IRE).toBe(0);
    expect(bench.out.delivered).toBe(false);
  });

  it('B14 (vfio allow_unsafe_assigned_interrupts): off, a message passes with the vector of the sender’s choice', () => {
    expect(new VtdBench().send(COMPATIBLE, 0x82)).toEqual([0x82, 0, 3]);
    expect(new VtdBench().send(COMPATIBLE, 0x0482)).toEqual([0x82, 4, 3]);
  });

  it('V10 (kvm-unit-tests intel-iommu.c): a message is delivered as its entry says', () => {
    const bench = new VtdBench().on();
    bench.set(5, irte(0x41, 7, 1n << 5n), from(DEVICE));
    expect(bench.send(remappable(5), 0x82)).toEqual([0x41, 1, 7]);
  });

  it('V31 (OpenVMM intel_vtd): the subhandle is added where SHV is set', () => {
    const bench = new VtdBench().on();
    bench.set(7, irte(0x42, 1), from(DEVICE));
    expect(bench.send(remappable(5, true), 2)).toEqual([0x42, 0, 1]);
    expect(bench.send(remappable(5, true), 0x1_0002)).toBe('f20');
  });

  it('V31 (OpenVMM intel_vtd): CFI lets the compatibility format pass, which is blocked otherwise', () => {
    const bench = new VtdBench().on();
    expect(bench.send(COMPATIBLE, 0x82)).toBe('f25');
    bench.command(CFI);
    expect(bench.unit.registers.read32(GSTS) & CFI).toBe(CFI);
    expect(bench.send(COMPATIBLE, 0x82)).toEqual([0x82, 0, 3]);
  });

  it.each([
    ['a table that is too short', 256, 0n, 0n, 'f21'],
    ['an entry that is not present', 5, 0n, 0n, 'f22'],
    ['an entry that is not present and keeps quiet (FPD)', 5, 2n, 0n, 'f22 unlogged'],
    ['a reserved bit', 5, irte(0x41, 1, 1n << 24n), from(DEVICE), 'f24'],
    ['a destination of 32 bits without EIM', 5, irte(0x41, 1, 1n << 48n), from(DEVICE), 'f24'],
    ['a reserved bit of the upper half', 5, irte(0x41, 1), from(DEVICE) | (1n << 63n), 'f24'],
    ['SVT 3', 5, irte(0x41, 1), from(DEVICE, 0, 3), 'f24'],
    ['the posted format', 5, irte(0x41, 1, 1n << 15n), from(DEVICE), 'f24'],
    ['another source', 5, irte(0x41, 1), from(0x0209), 'f26'],
    ['another source, and FPD', 5, irte(0x41, 1, 2n), from(0x0209), 'f26 unlogged'],
  ])('stops a message for %s (VT-d 5.1.4)', (_what, index, low, high, expected) => {
    const bench = new VtdBench().on();
    if (index < 256) bench.set(index, low, high);
    expect(bench.send(remappable(index))).toBe(expected);
  });

  it('reports a table that cannot be read', () => {
    const bench = new VtdBench();
    bench.unit.registers.write64(IRTA, 0x9_0007n);
    bench.on();
    expect(bench.send(remappable(5))).toBe('f23');
  });

  it('takes the handle from bits 19:5 and 2, and the size from S', () => {
    const bench = new VtdBench();
    bench.unit.registers.write64(IRTA, BigInt(TABLE + 15));
    bench.on();
    bench.memory.add(TABLE + 0x8000 * 16);
    bench.set(0x8001, irte(0x43, 2), from(DEVICE));
    expect(bench.send(remappable(0x8001))).toEqual([0x43, 0, 2]);
  });

  it.each([
    [0, 0x0208, [true, false, false, false]],
    [1, 0x0208, [true, false, false, true]],
    [2, 0x0208, [true, false, true, true]],
    [3, 0x0208, [true, true, true, true]],
  ])('verifies the source with SQ %i: function bits that count', (qualifier, source, expected) => {
    const bench = new VtdBench().on();
    bench.set(5, irte(0x41, 1), from(source, qualifier));
    const passes = [0x0208, 0x0209, 0x020a, 0x020c].map((id) =>
      Array.isArray(bench.send(remappable(5), 0, requesterId(id))),
    );
    expect(passes).toEqual(expected);
    expect(bench.send(remappable(5), 0, requesterId(0x0210))).toBe('f26');
  });

  it('verifies a range of buses with SVT 2, and nothing with SVT 0', () => {
    const bench = new VtdBench().on();
    bench.set(5, irte(0x41, 1), from(0x0103, 0, 2));
    const passes = [0x0000, 0x0100, 0x0208, 0x03ff, 0x0400].map((id) =>
      Array.isArray(bench.send(remappable(5), 0, requesterId(id))),
    );
    expect(passes).toEqual([false, true, true, true, false]);
    bench.set(6, irte(0x41, 1));
    expect(bench.send(remappable(6), 0, requesterId(0x7777))).toEqual([0x41, 0, 1]);
  });

  it('records the index of the entry in the fault record', () => {
    const bench = new VtdBench().on();
    expect(bench.send(remappable(0x21))).toBe('f22');
    const { registers } = bench.unit;
    const at = Number((registers.read64(0x08) >> 24n) & 0x3ffn) * 16;
    expect(registers.read64(at)).toBe(0x21n << 48n);
    expect(registers.read64(at + 8) & 0xff_0000_ffffn).toBe((0x22n << 32n) | BigInt(DEVICE));
  });

  it('keeps an entry as it was read until an IEC descriptor names it', () => {
    const bench = new VtdBench().on();
    for (const index of [4, 5, 8]) {
      bench.set(index, irte(0x40 + index, 1), from(DEVICE));
      bench.send(remappable(index));
      bench.set(index, irte(0x80 + index, 1), from(DEVICE));
    }
    const vectors = () => [4, 5, 8].map((index) => bench.send(remappable(index))[0]);
    expect(vectors()).toEqual([0x44, 0x45, 0x48]);
    bench.invalidate({ type: 'interrupt-entry', index: 5 });
    expect(vectors()).toEqual([0x44, 0x85, 0x48]);
    bench.invalidate({ type: 'interrupt-entry', index: 6, indexMask: 2 });
    expect(vectors()).toEqual([0x84, 0x85, 0x48]);
    bench.invalidate({ type: 'interrupt-entry' });
    expect(vectors()).toEqual([0x84, 0x85, 0x88]);
  });

  it('V10 (QEMU VTD_ECAP_MHMV): any number of index bits may be masked, and a mask of more names every entry', () => {
    const bench = new VtdBench().on();
    expect((bench.unit.registers.read64(ECAP) >> 20n) & 0xfn).toBe(15n);
    for (const mask of [15, 16, 31]) {
      bench.set(5, irte(0x40 + mask, 1), from(DEVICE));
      bench.invalidate({ type: 'interrupt-entry' });
      expect(bench.send(remappable(5))[0]).toBe(0x40 + mask);
      bench.set(5, irte(0x80 + mask, 1), from(DEVICE));
      bench.invalidate({ type: 'interrupt-entry', index: 0x7000, indexMask: mask });
      expect(bench.send(remappable(5))[0]).toBe(0x80 + mask);
    }
  });

  it('V16: a reset switches it off and forgets its entries', () => {
    const bench = new VtdBench().on();
    bench.set(5, irte(0x41, 1), from(DEVICE));
    bench.send(remappable(5));
    bench.unit.reset();
    expect(bench.unit.registers.read32(GSTS)).toBe(0);
    expect(bench.send(COMPATIBLE, 0x82)).toEqual([0x82, 0, 3]);
  });
});

const [AMD_DEVICES, AMD_COMMANDS, AMD_EVENTS] = [0x1_0000, 0x4000, 0x5000];
const [REMAPPED, UNMAPPED] = [2n << 60n, 1n << 60n];

class AmdviBench {
  readonly kernel = new EventKernel();
  readonly memory = new SparseMemory();
  readonly out = new InterruptResult();
  readonly unit: AmdviUnit;
  #tail = 0;

  constructor(control = 0x1005n) {
    const entry = AMD_DEVICES + DEVICE * 32;
    for (const page of [TABLE, AMD_COMMANDS, AMD_EVENTS, entry]) this.memory.add(page);
    this.unit = new AmdviUnit({
      kernel: this.kernel,
      memory: this.memory,
      reachable: this.memory.reachable,
      sink: new RecordingSink(),
      interrupts: new RecordingInterrupts(),
    });
    const { registers } = this.unit;
    registers.write64(0x00, BigInt(AMD_DEVICES) | 0xffn);
    registers.write64(0x08, (8n << 56n) | BigInt(AMD_COMMANDS));
    registers.write64(0x10, (8n << 56n) | BigInt(AMD_EVENTS));
    registers.write64(0x18, control);
  }

  /** The third doubleword of the DTE: IV, IntTabLen, the table, IntCtl. */
  setDevice(interrupts: bigint): void {
    this.memory.writeU64(AMD_DEVICES + DEVICE * 32 + 16, interrupts);
  }

  setEntry(index: number, entry: number): void {
    this.memory.writeU32(hostPhysicalAddress(TABLE + index * 4), entry);
  }

  send(data: number, device = DEVICE): number[] | string {
    const { out } = this;
    this.unit.remapInterrupt(device, 0xfee0_3000, data, out);
    if (out.delivered) return [out.vector, out.deliveryMode, out.destination];
    const logged = this.unit.recordInterruptFault(device, out, 0xfee0_3000);
    const flags = out.faultFlags.toString(16);
    return `e${out.faultReason}/${flags}${logged === undefined ? ' unlogged' : ''}`;
  }

  command(command: AmdviCommand): void {
    writeCommand(this.memory, hostPhysicalAddress(AMD_COMMANDS + this.#tail), command);
    this.#tail += 16;
    this.unit.registers.write64(0x2008, BigInt(this.#tail));
    this.kernel.run(this.kernel.nowNs + 10_000);
  }
}

/** IV, a table of 2^4 entries, remapped. */
const DTE = 1n | (4n << 1n) | BigInt(TABLE) | REMAPPED;

describe('AMD-Vi interrupt remapping (row A70, OpenVMM amd_iommu; AMD 48882, 2.2.5)', () => {
  it('passes messages unmapped with IommuEn off, IV = 0 or IntCtl 1', () => {
    expect(new AmdviBench(0n).send(0x82)).toEqual([0x82, 0, 3]);
    const bench = new AmdviBench();
    expect(bench.send(0x82)).toEqual([0x82, 0, 3]);
    const other = new AmdviBench();
    other.setDevice(1n | UNMAPPED);
    expect(other.send(0x82)).toEqual([0x82, 0, 3]);
  });

  it('delivers as the entry says that the message data names', () => {
    const bench = new AmdviBench();
    bench.setDevice(DTE);
    // RemapEn, IntType 1, destination 9, vector 0x51.
    bench.setEntry(3, 1 | (1 << 2) | (9 << 8) | (0x51 << 16));
    expect(bench.send(3)).toEqual([0x51, 1, 9]);
    // Only bits 10:0 count.
    expect(bench.send(3 | 0xf800)).toEqual([0x51, 1, 9]);
  });

  it.each([
    ['IntCtl 0', 1n, 0, 3, 'e2/8'],
    ['IntCtl 3', 1n | (3n << 60n), 0, 3, 'e1/88'],
    ['IntTabLen 12', 1n | (12n << 1n) | BigInt(TABLE) | REMAPPED, 1, 3, 'e1/88'],
    ['an index beyond the table', DTE, 1, 16, 'e2/8'],
    ['an entry without RemapEn', DTE, 0x51_0000, 3, 'e2/8'],
    ['an entry without RemapEn that keeps quiet (SupIOPF)', DTE, 0x51_0002, 3, 'e2/8 unlogged'],
    ['a reserved bit', DTE, 0x0151_0001, 3, 'e2/98'],
    ['GuestMode without EFR.GASup', DTE, 0x51_0081, 3, 'e2/98'],
    ['a reserved IntType', DTE, 0x51_0009, 3, 'e2/98'],
    ['a table that cannot be read', 1n | (4n << 1n) | 0x9_0000n | REMAPPED, 0, 3, 'e4/8'],
  ])('stops a message for %s', (_what, device, entry, data, expected) => {
    const bench = new AmdviBench();
    bench.setDevice(device);
    bench.setEntry(3, entry);
    expect(bench.send(data)).toBe(expected);
  });

  it('stops a device beyond the table, and one whose entry cannot be read', () => {
    const bench = new AmdviBench();
    expect(bench.send(3, requesterId(0xffff))).toBe('e1/8');
    expect(bench.send(3, requesterId(0x7f00))).toBe('e3/8');
  });

  it('keeps entries until INVALIDATE_INTERRUPT_TABLE, and the DTE until INVALIDATE_DEVTAB_ENTRY', () => {
    const bench = new AmdviBench();
    bench.setDevice(DTE);
    bench.setEntry(3, 1 | (0x51 << 16));
    expect(bench.send(3)).toEqual([0x51, 0, 0]);
    bench.setEntry(3, 1 | (0x61 << 16));
    expect(bench.send(3)).toEqual([0x51, 0, 0]);
    bench.command({ type: 'invalidate-interrupt-table', deviceId: DEVICE });
    expect(bench.send(3)).toEqual([0x61, 0, 0]);
    bench.setDevice(1n);
    expect(bench.send(3)).toEqual([0x61, 0, 0]);
    bench.command({ type: 'invalidate-devtab-entry', deviceId: DEVICE });
    expect(bench.send(3)).toBe('e2/8');
    bench.setDevice(DTE);
    bench.setEntry(3, 1 | (0x71 << 16));
    bench.command({ type: 'invalidate-all' });
    expect(bench.send(3)).toEqual([0x71, 0, 0]);
  });

  it('logs the message with its flag I, once only where SE says so', () => {
    const bench = new AmdviBench();
    bench.setDevice(1n);
    bench.memory.writeU64(AMD_DEVICES + DEVICE * 32 + 8, 1n << 33n);
    expect([bench.send(3), bench.send(3)]).toEqual(['e2/8', 'e2/8 unlogged']);
    expect(bench.memory.readU32(hostPhysicalAddress(AMD_EVENTS))).toBe(DEVICE);
    expect(bench.memory.readU32(hostPhysicalAddress(AMD_EVENTS + 4))).toBe(0x2008_0000);
    expect(bench.memory.readU64(AMD_EVENTS + 8)).toBe(0xfee0_3000n);
  });
});
