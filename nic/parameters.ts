import { MAX_FRAME_BYTES } from './descriptor.js';
import { DEFAULT_PCIE, type PcieParameters } from './pcie-link.js';

/** What kind of card this is. Every value is a named parameter; docs/datasheet.md lists them. */
export interface NicParameters {
  /** Register contexts, 1 to 4,096. */
  readonly contexts: number;
  /** Wire rate, bits a second, 10^9 to 4 x 10^11. */
  readonly rateBps: number;
  /** Transmit FIFO, bytes: grants beyond what the wire has sent are bounded by it. */
  readonly transmitFifoBytes: number;
  /** Receive buffer that one context may fill, bytes (RiceNIC: 128 KB a context). */
  readonly receiveShareBytes: number;
  /** Bytes of received frames on their way to memory at once. */
  readonly receiveDmaBytes: number;
  /** Descriptors kept on the card, a context and direction: a power of two, and the longest chain. */
  readonly descriptorCacheSlots: number;
  /** Descriptors fetched at once. */
  readonly descriptorBatch: number;
  /** DMA transfers in flight, reads and writes each. */
  readonly dmaInFlight: number;
  /** From a mailbox write to the firmware having decoded it, ns. */
  readonly decodeNs: number;
  /** Least time between two physical interrupts, ns. */
  readonly interruptGapNs: number;
  /** From one context to another inside the NIC, ns. */
  readonly switchNs: number;
  /** Requester ID of context 0; context c has this plus c. */
  readonly requesterBase: number;
  /** Requester ID of the NIC's own transfers (interrupt vectors). */
  readonly managementRequesterId: number;
  readonly pcie: PcieParameters;
}

/** A card of today with CDNA's contexts. */
export const DEFAULT_NIC: NicParameters = {
  contexts: 32,
  rateBps: 1e9,
  transmitFifoBytes: 16_384,
  receiveShareBytes: 131_072,
  receiveDmaBytes: 65_536,
  descriptorCacheSlots: 64,
  descriptorBatch: 16,
  dmaInFlight: 64,
  decodeNs: 100,
  interruptGapNs: 5_000,
  switchNs: 500,
  requesterBase: 0x0100,
  managementRequesterId: 0x00f8,
  pcie: DEFAULT_PCIE,
};

/** Refuses a card that cannot be built. @throws RangeError naming the field, the value and what was expected. */
export function validateNicParameters(nic: NicParameters): void {
  range('contexts', nic.contexts, 1, 4096);
  range('rateBps', nic.rateBps, 1e9, 4e11);
  range('transmitFifoBytes', nic.transmitFifoBytes, MAX_FRAME_BYTES, 2 ** 24);
  range('receiveShareBytes', nic.receiveShareBytes, MAX_FRAME_BYTES, 2 ** 24);
  range('receiveDmaBytes', nic.receiveDmaBytes, MAX_FRAME_BYTES, 2 ** 24);
  range('descriptorCacheSlots', nic.descriptorCacheSlots, 4, 1024);
  if ((nic.descriptorCacheSlots & (nic.descriptorCacheSlots - 1)) !== 0) {
    refuse('descriptorCacheSlots', nic.descriptorCacheSlots, 'a power of two');
  }
  range('descriptorBatch', nic.descriptorBatch, 1, nic.descriptorCacheSlots);
  range('dmaInFlight', nic.dmaInFlight, 1, 65_536);
  range('decodeNs', nic.decodeNs, 0, 1e9);
  range('interruptGapNs', nic.interruptGapNs, 0, 1e9);
  range('switchNs', nic.switchNs, 0, 1e9);
  range('requesterBase', nic.requesterBase, 0, 0xffff - nic.contexts + 1);
  range('managementRequesterId', nic.managementRequesterId, 0, 0xffff);
  const asContext = nic.managementRequesterId - nic.requesterBase;
  if (asContext >= 0 && asContext < nic.contexts) {
    refuse(
      'managementRequesterId',
      nic.managementRequesterId,
      `an ID that is not that of context ${asContext}`,
    );
  }
}

function range(field: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    refuse(field, value, `a whole number from ${least} to ${most}`);
  }
}

function refuse(field: string, value: number, expected: string): never {
  throw new RangeError(`nic.${field} is ${value}, expected ${expected}`);
}
