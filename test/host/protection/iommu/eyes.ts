import { AmdviDriver } from '../../../../host/protection/iommu/amdvi-driver.js';
import type { IommuOptions } from '../../../../host/protection/iommu/iommu.js';
import type { IommuVendor } from '../../../../host/protection/iommu/iommu-driver.js';
import { VtdDriver } from '../../../../host/protection/iommu/vtd-driver.js';
import { hostPhysicalAddress } from '../../../../nic/addresses.js';
import { IommuLab } from './lab.js';

const RING_BYTES = 2048 * 16;
export const hex = (value: number | bigint) => value.toString(16);

/** Reads what a driver has written: commands of the ring, and entries of the tables, bit by bit as the manuals have them. */
export class Eyes {
  readonly lab: IommuLab;
  readonly #vendor: IommuVendor;
  #read = 0;

  constructor(vendor: IommuVendor, strategy = 'single-use', options: Partial<IommuOptions> = {}) {
    this.#vendor = vendor;
    this.lab = new IommuLab({ strategy, vendor, ...options });
  }

  /** Commands since the last look, in words. */
  commands(): string[] {
    const [base, tail] = this.#vendor === 'vtd' ? [0x90, 0x88] : [0x08, 0x2008];
    const ring = Number(this.#registers.read64(base) & 0x000f_ffff_ffff_f000n);
    const end = this.#registers.read32(tail);
    const found: string[] = [];
    for (; this.#read !== end; this.#read = (this.#read + 16) % RING_BYTES) {
      const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = [0, 4, 8, 12].map((at) => this.#u32(ring + this.#read + at));
      found.push(this.#vendor === 'vtd' ? vtdCommand(w0, w1, w2, w3) : amdviCommand(w0, w1, w2, w3));
    }
    return found;
  }

  /** The entry of a requester. */
  entry(requester: number): string {
    if (this.#vendor === 'amdvi') {
      const at = Number(this.#registers.read64(0x00) & 0x000f_ffff_ffff_f000n) + requester * 32;
      const [w0 = 0, w1 = 0, w2 = 0] = [0, 4, 8].map((offset) => this.#u32(at + offset));
      const rights = `${(w1 >>> 29) & 1 ? 'IR' : ''}${(w1 >>> 30) & 1 ? 'IW' : ''}`;
      return `V ${w0 & 1} TV ${(w0 >>> 1) & 1} mode ${(w0 >>> 9) & 7} ${rights} domain ${w2 & 0xffff}`;
    }
    const root = Number(this.#registers.read64(0x20) & 0x000f_ffff_ffff_f000n) + (requester >>> 8) * 16;
    const table = this.#u32(root) - (this.#u32(root) % 4096) + this.#u32(root + 4) * 2 ** 32;
    const at = table + (requester & 0xff) * 16;
    const [low = 0, upper = 0] = [0, 8].map((offset) => this.#u32(at + offset));
    return `P ${low & 1} FPD ${(low >>> 1) & 1} TT ${(low >>> 2) & 3} AW ${upper & 7} domain ${(upper >>> 8) & 0xffff}`;
  }

  /** Whether the entry says that the device may hold translations: I of AMD-Vi, TT = 01 of VT-d. */
  trustsDevice(requester: number): boolean {
    if (this.#vendor === 'vtd') return this.entry(requester).includes('TT 1');
    const at = Number(this.#registers.read64(0x00) & 0x000f_ffff_ffff_f000n) + requester * 32;
    return (this.#u32(at + 12) & 1) === 1;
  }

  get #registers() {
    const { driver } = this.lab.iommu;
    if (driver instanceof VtdDriver || driver instanceof AmdviDriver) return driver.unit.registers;
    throw new Error('no such driver');
  }

  #u32(at: number): number {
    return this.lab.machine.host.memory.readU32(hostPhysicalAddress(at));
  }
}

function vtdCommand(w0: number, w1: number, w2: number, w3: number): string {
  const granularity = (w0 >>> 4) & 3;
  const domain = w0 >>> 16;
  switch (w0 & 0xf) {
    case 1:
      return `context ${granularity} domain ${domain} source ${hex(w1 & 0xffff)} FM ${(w1 >>> 16) & 3}`;
    case 2:
      return granularity === 3
        ? `iotlb pages domain ${domain} at ${hex((BigInt(w3) << 32n) | BigInt(w2 & 0xffff_f000))} AM ${w2 & 0x3f} IH ${(w2 >>> 6) & 1}`
        : `iotlb ${granularity} domain ${domain}`;
    case 3:
      return `device source ${hex(w1 & 0xffff)} at ${hex((BigInt(w3) << 32n) | BigInt((w2 & 0xffff_f000) >>> 0))} S ${w2 & 1}`;
    case 4:
      return `interrupt entries ${(w0 >>> 4) & 1}`;
    case 5:
      return `wait${(w0 >>> 4) & 1 ? ' interrupt' : ''}${(w0 >>> 5) & 1 ? ' status' : ''}${(w0 >>> 6) & 1 ? ' fence' : ''}`;
    default:
      return `type ${w0 & 0xf}`;
  }
}

function amdviCommand(w0: number, w1: number, w2: number, w3: number): string {
  const address = (BigInt(w3) << 32n) | BigInt((w2 & 0xffff_f000) >>> 0);
  switch (w1 >>> 28) {
    case 1:
      return `wait${w0 & 2 ? ' interrupt' : ''}${w0 & 1 ? ' status' : ''}${w0 & 4 ? ' fence' : ''}`;
    case 2:
      return `devtab source ${hex(w0 & 0xffff)}`;
    case 3:
      return `pages domain ${w1 & 0xffff} at ${hex(address)} S ${w2 & 1} PDE ${(w2 >>> 1) & 1}`;
    case 4:
      return `device source ${hex(w0 & 0xffff)} at ${hex(address)} S ${w2 & 1}`;
    default:
      return `opcode ${w1 >>> 28}`;
  }
}

/** All of a domain, as AMD-Vi encodes it: every bit of the address but the highest, and S. */
export const ALL = '7ffffffffffff000';
export const WAIT = 'wait interrupt status fence';
