import { describe, expect, it } from 'vitest';
import { AmdviDriver } from '../../../../host/protection/iommu/amdvi-driver.js';
import type { IommuVendor } from '../../../../host/protection/iommu/iommu-driver.js';
import { VtdDriver } from '../../../../host/protection/iommu/vtd-driver.js';
import { hostPhysicalAddress } from '../../../../nic/addresses.js';
import { IommuLab, requesterOf, VENDORS } from './lab.js';

const RING_BYTES = 2048 * 16;
const hex = (value: number | bigint) => value.toString(16);

/** Reads what a driver has written: commands of the ring, and entries of the tables, bit by bit as the manuals have them. */
class Eyes {
  readonly lab: IommuLab;
  readonly #vendor: IommuVendor;
  #read = 0;

  constructor(vendor: IommuVendor, strategy = 'single-use') {
    this.#vendor = vendor;
    this.lab = IommuLab.with(strategy, vendor);
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
    default:
      return `opcode ${w1 >>> 28}`;
  }
}

/** All of a domain, as AMD-Vi encodes it: every bit of the address but the highest, and S. */
const ALL = '7ffffffffffff000';
const WAIT = 'wait interrupt status fence';

describe('what the driver writes for the unit', () => {
  it('VT-d: at open the context entry, at close the entry again and its domain, each with a wait', () => {
    const eyes = new Eyes('vtd');
    eyes.lab.settle();
    eyes.commands();
    const guest = eyes.lab.guest(1);
    const requester = requesterOf(guest.port.context);
    const source = hex(requester);
    expect(eyes.entry(requester)).toBe('P 1 FPD 0 TT 0 AW 2 domain 2');
    expect(eyes.commands()).toEqual([`context 3 domain 2 source ${source} FM 0`, WAIT]);
    eyes.lab.iommu.closePort(guest.port);
    expect(eyes.entry(requester)).toBe('P 0 FPD 0 TT 0 AW 0 domain 0');
    expect(eyes.commands()).toEqual([`context 3 domain 2 source ${source} FM 0`, 'iotlb 2 domain 2', WAIT]);
  });

  it('B18 (XSA-442, CVE-2023-34326): AMD-Vi, at open and at close the entry and then all pages of its domain, each with a wait', () => {
    const eyes = new Eyes('amdvi');
    eyes.lab.settle();
    eyes.commands();
    const guest = eyes.lab.guest(1);
    const requester = requesterOf(guest.port.context);
    expect(eyes.entry(requester)).toBe('V 1 TV 1 mode 4 IRIW domain 2');
    const dropsBoth = [`devtab source ${hex(requester)}`, `pages domain 2 at ${ALL} S 1 PDE 1`, WAIT];
    expect(eyes.commands()).toEqual(dropsBoth);
    eyes.lab.iommu.closePort(guest.port);
    expect(eyes.entry(requester)).toBe('V 1 TV 1 mode 0  domain 0');
    expect(eyes.commands()).toEqual(dropsBoth);
  });

  it.each([
    ['single-use', 'AM 0 IH 0', 'S 0 PDE 1'],
    ['contiguous', undefined, undefined],
  ])('an unmap of %s names its pages, and is waited for', (strategy, vtd, amdvi) => {
    for (const vendor of VENDORS) {
      const eyes = new Eyes(vendor, strategy);
      const guest = eyes.lab.guest(1);
      guest.postReceive({ address: guest.page(), length: 2048 });
      eyes.lab.settle();
      const bus = eyes.lab.busAddress(guest, 'receive', 0);
      eyes.commands();
      guest.port.receive.finish(1);
      const expected = vendor === 'vtd' ? vtd : amdvi;
      const verb = vendor === 'vtd' ? 'iotlb pages' : 'pages';
      // A range of 64 pages is not invalidated for the first of them.
      expect(eyes.commands()).toEqual(
        expected === undefined ? [] : [`${verb} domain 2 at ${hex(bus)} ${expected}`, WAIT],
      );
    }
  });

  it.each(VENDORS)(
    'a port that another guest opens later has another domain, and the same entry afterwards: %s',
    (vendor) => {
      const eyes = new Eyes(vendor);
      const [one, two] = [eyes.lab.guest(1), eyes.lab.guest(2)];
      const first = eyes.entry(requesterOf(one.port.context));
      const second = eyes.entry(requesterOf(two.port.context));
      expect(first).toMatch(/domain 2$/);
      expect(second).toMatch(/domain 3$/);
      eyes.lab.iommu.closePort(one.port);
      eyes.lab.settle();
      const three = eyes.lab.guest(3);
      expect(three.port.context).toBe(one.port.context);
      expect(eyes.entry(requesterOf(three.port.context))).toBe(first);
    },
  );
});
