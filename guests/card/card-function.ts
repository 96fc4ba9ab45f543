import { ringLayout } from '../../host/protection/ring-layout.js';
import { PAGE_BYTES } from '../../nic/addresses.js';
import { present } from '../../scheduler/present.js';
import { powerOfTwoFrom } from '../../scheduler/whole-logarithm.js';
import { CONFIGURATION_BYTES, ConfigurationSpace } from '../pci/configuration-space.js';
import {
  CONFIGURATION_REGION,
  type InterruptMessage,
  type PciFunction,
  REGION_COUNT,
} from '../pci/pci-function.js';
import { CallPage } from './call-page.js';
import { CardDevice, type CardDevicePlan } from './card-device.js';

/** BARs of the function. */
export const CARD_BARS = [
  { name: 'context', meaning: "The page of the guest's context: mailboxes and shared memory" },
  { name: 'hypercalls', meaning: 'The hypercall page' },
  {
    name: 'rings',
    meaning: 'Rings and status block, to be read, where the hypervisor writes descriptors; ones elsewhere',
  },
] as const;
const [CONTEXT, HYPERCALLS, RINGS] = [0, 1, 2] as const;

/**
 * Vendor and device for experiments: QEMU reserves 1AF4h:10F0h to 10FFh for use without registration
 * (docs/specs/pci-ids.rst).
 */
export const CARD_IDENTITY = {
  vendor: 0x1af4,
  device: 0x10f0,
  revision: 1,
  classCode: 0x020000,
  subsystemVendor: 0x1af4,
  subsystem: 0x10f0,
};

const CAPABILITY_MSI = 0x05;
const MSI_ENABLE = 1;
/** The address has 64 bits. */
const MSI_WIDE = 0x80;
/** Offsets in the capability (PCI Local Bus 3.0, 6.8.1). */
const MSI = { CONTROL: 2, ADDRESS: 4, UPPER: 8, DATA: 12 } as const;

/** The PCI function in front of a context of the card: three BARs, one MSI. */
export class CardFunction implements PciFunction {
  readonly regionBytes: readonly number[];
  readonly interrupts = [0, 1, 0, 0, 0];
  readonly device: CardDevice;
  readonly #calls: CallPage;
  readonly #space: ConfigurationSpace;
  #msi = 0;

  /** @throws ParameterError when the approach gives guests no context of the card. */
  constructor(plan: CardDevicePlan) {
    this.device = new CardDevice(plan);
    this.#calls = new CallPage(this.device);
    const rings = ringLayout(plan.port.transmitSlots, plan.port.receiveSlots);
    const bars = [PAGE_BYTES, PAGE_BYTES, powerOfTwoFrom(rings.bytes)];
    this.#space = new ConfigurationSpace(CARD_IDENTITY, bars, (space) => {
      this.#msi = addMsi(space);
    });
    const regions = new Array<number>(REGION_COUNT).fill(0);
    for (const [index, bytes] of bars.entries()) regions[index] = bytes;
    regions[CONFIGURATION_REGION] = CONFIGURATION_BYTES;
    this.regionBytes = regions;
  }

  read(region: number, offset: number, target: Uint8Array): void {
    if (region === CONFIGURATION_REGION) this.#space.read(offset, target);
    else if (region === RINGS) this.device.readRings(offset, target);
    else {
      target.fill(0xff);
      for (const { at, width } of registerAccesses(offset, target.length)) {
        const value = this.#readRegister(region, offset + at, width);
        for (let byte = 0; byte < width; byte += 1) target[at + byte] = Math.floor(value / 256 ** byte);
      }
    }
  }

  write(region: number, offset: number, source: Uint8Array): void {
    if (region === CONFIGURATION_REGION) this.#space.write(offset, source);
    else if (region === RINGS) this.device.refuseRingWrite();
    else
      for (const { at, width } of registerAccesses(offset, source.length)) {
        let value = 0;
        for (let byte = width - 1; byte >= 0; byte -= 1) value = value * 256 + present(source[at + byte]);
        if (region === CONTEXT) this.device.writeContext(offset + at, width, value);
        else if (region === HYPERCALLS && width === 4) this.#calls.write(offset + at, value);
      }
  }

  reset(): void {
    this.device.reset();
    this.#calls.reset();
    this.#space.reset();
  }

  msixTableAddress(): undefined {
    return undefined;
  }

  msiMessage(): InterruptMessage | undefined {
    const word = (offset: number) => this.#space.word(this.#msi + offset);
    if ((word(0) >>> 16) % 2 !== MSI_ENABLE) return undefined;
    return { address: word(MSI.UPPER) * 2 ** 32 + word(MSI.ADDRESS), data: word(MSI.DATA) & 0xffff };
  }

  checkInvariants(): void {
    this.device.checkInvariants();
  }

  #readRegister(region: number, offset: number, width: number): number {
    if (region === CONTEXT) return this.device.readContext(offset, width);
    if (region === HYPERCALLS && width === 4) return this.#calls.read(offset);
    return 256 ** width - 1;
  }
}

/** An access as the registers see it: of 1, 2 or 4 bytes by itself, a longer one as words; none that is neither. */
function registerAccesses(offset: number, length: number): { readonly at: number; readonly width: number }[] {
  if (length === 1 || length === 2 || length === 4) return [{ at: 0, width: length }];
  if (length % 4 !== 0 || offset % 4 !== 0) return [];
  return Array.from({ length: length / 4 }, (_, word) => ({ at: 4 * word, width: 4 }));
}

function addMsi(space: ConfigurationSpace): number {
  const body = new Uint8Array(12);
  body[0] = MSI_WIDE;
  const mask = new Uint8Array(12).fill(0xff);
  mask[MSI.CONTROL - 2] = MSI_ENABLE;
  mask[MSI.CONTROL - 1] = 0;
  mask[MSI.ADDRESS - 2] = 0xfc;
  return space.addCapability(CAPABILITY_MSI, body, mask);
}
