import { ParameterError } from '../scheduler/errors.js';
import { MAX_FRAME_BYTES, WIRE_OVERHEAD_BYTES } from './descriptor.js';
import { DEFAULT_PCIE, type PcieParameters } from './pcie-link.js';
import { MOST_QUANTA, TRAFFIC_CLASSES } from './pfc-frame.js';

/** The card's parameters, each with a name; docs/datasheet.md lists them. */
export interface NicParameters {
  /** Register contexts, 1 to 16,384. */
  readonly contexts: number;
  /** Wire rate, bits per second, 10^6 to 8 x 10^11. */
  readonly rateBps: number;
  /** Transmit FIFO, bytes: grants beyond what the wire has sent are bounded by it. */
  readonly transmitFifoBytes: number;
  /** FIFO of the inner exit, by which frames go to other contexts of the card, bytes. */
  readonly switchFifoBytes: number;
  /** Receive buffer that one context may fill, bytes (RiceNIC: 128 KB per context). */
  readonly receiveShareBytes: number;
  /** Bytes of received frames on their way to memory at once. */
  readonly receiveDmaBytes: number;
  /** Descriptors kept on the card, per context and direction: a power of two, and the longest chain. */
  readonly descriptorCacheSlots: number;
  /** Descriptors fetched at once. */
  readonly descriptorBatch: number;
  /** DMA transfers in flight, reads and writes each. */
  readonly dmaInFlight: number;
  /** From a mailbox write to the firmware having decoded it, ns. */
  readonly decodeNs: number;
  /** Least time between two physical interrupts, ns. */
  readonly interruptGapNs: number;
  /**
   * What a frame costs besides its bytes when the transmit scheduler counts it, bytes: 24 counts what the wire
   * carries (preamble and delimiter 8, FCS 4, gap 12), 0 the frame alone.
   */
  readonly overheadBytes: number;
  /** From one context to another inside the NIC, ns. */
  readonly switchNs: number;
  /** Traffic classes with priority flow control, a bit each: bit 3 is class 3. 0 leaves it off. */
  readonly pfcClasses: number;
  /** Receive buffer of each of those classes, bytes: frames that do not fit are dropped. */
  readonly pfcReceiveBytes: number;
  /** High mark: a class that holds so many bytes of it is paused at the far end. */
  readonly pfcXoffBytes: number;
  /** Low mark: a paused class that holds no more goes on. */
  readonly pfcXonBytes: number;
  /** Pause that is asked for at the high mark, and again when half of it is over, quanta of 512 bit times. */
  readonly pfcQuanta: number;
  /** Requester ID of context 0; context c has this plus c. */
  readonly requesterBase: number;
  /** Requester ID of the NIC's own transfers (interrupt vectors). */
  readonly managementRequesterId: number;
  readonly pcie: PcieParameters;
}

/** A shorter pause would have to be repeated more often than frames that ask for it can be sent. */
const LEAST_QUANTA = 64;

/** A card of today with CDNA's contexts. */
export const DEFAULT_NIC: NicParameters = {
  contexts: 32,
  rateBps: 1e9,
  transmitFifoBytes: 16_384,
  switchFifoBytes: 16_384,
  receiveShareBytes: 131_072,
  receiveDmaBytes: 65_536,
  descriptorCacheSlots: 64,
  descriptorBatch: 16,
  dmaInFlight: 64,
  decodeNs: 100,
  interruptGapNs: 5_000,
  overheadBytes: WIRE_OVERHEAD_BYTES,
  switchNs: 500,
  pfcClasses: 0,
  pfcReceiveBytes: 262_144,
  pfcXoffBytes: 131_072,
  pfcXonBytes: 65_536,
  pfcQuanta: MOST_QUANTA,
  requesterBase: 0x0100,
  managementRequesterId: 0x00f8,
  pcie: DEFAULT_PCIE,
};

/** One parameter as the datasheet lists it; all of them are whole numbers. */
export interface NicParameterDefinition {
  readonly name: Exclude<keyof NicParameters, 'pcie'>;
  readonly least: number;
  readonly most: number;
  readonly unit: string;
  readonly meaning: string;
  /** Where the default comes from. */
  readonly source: string;
}

const parameter = (
  name: NicParameterDefinition['name'],
  least: number,
  most: number,
  unit: string,
  meaning: string,
  source: string,
): NicParameterDefinition => ({ name, least, most, unit, meaning, source });

/** Every number that describes the card, with its range and where its default comes from. */
export const NIC_PARAMETERS: readonly NicParameterDefinition[] = [
  parameter('contexts', 1, 16_384, 'contexts', 'Register contexts', 'RiceNIC has 32'),
  parameter('rateBps', 1e6, 8e11, 'bit/s', 'Rate of the wire', "Gigabit Ethernet, as RiceNIC's port"),
  parameter(
    'transmitFifoBytes',
    MAX_FRAME_BYTES,
    2 ** 24,
    'bytes',
    'Transmit FIFO: what is granted and not sent',
    'chosen',
  ),
  parameter(
    'switchFifoBytes',
    MAX_FRAME_BYTES,
    2 ** 24,
    'bytes',
    'FIFO of the inner exit: what is granted to go to another context and has not left',
    'as the transmit FIFO',
  ),
  parameter(
    'receiveShareBytes',
    MAX_FRAME_BYTES,
    2 ** 24,
    'bytes',
    'Receive buffer that one context may fill',
    'RiceNIC: 128 KB per context',
  ),
  parameter(
    'receiveDmaBytes',
    MAX_FRAME_BYTES,
    2 ** 24,
    'bytes',
    'Received frames on their way to memory at once',
    'chosen',
  ),
  parameter(
    'descriptorCacheSlots',
    4,
    1024,
    'descriptors',
    'Kept on the card, per ring; a power of two, and the longest chain',
    'chosen',
  ),
  parameter('descriptorBatch', 1, 1024, 'descriptors', 'Fetched by one transfer, at most', 'chosen'),
  parameter('dmaInFlight', 1, 65_536, 'transfers', 'In flight at once, reads and writes each', 'chosen'),
  parameter('decodeNs', 0, 1e9, 'ns', 'From a mailbox write to its having been decoded', 'chosen'),
  parameter('interruptGapNs', 0, 1e9, 'ns', 'Least time between two physical interrupts', 'chosen'),
  parameter(
    'overheadBytes',
    0,
    WIRE_OVERHEAD_BYTES,
    'bytes',
    'Counted with each frame by the transmit scheduler: 24 shares what the wire carries, 0 the frame alone',
    'IEEE 802.3: preamble and delimiter 8, FCS 4, gap 12',
  ),
  parameter('switchNs', 0, 1e9, 'ns', 'From one context to another inside the card', 'chosen'),
  parameter(
    'pfcClasses',
    0,
    2 ** TRAFFIC_CLASSES - 1,
    'mask',
    'Traffic classes with priority flow control, a bit each (8: class 3); 0 leaves it off',
    'IEEE 802.1Q: off unless it is switched on',
  ),
  parameter(
    'pfcReceiveBytes',
    2 * MAX_FRAME_BYTES,
    2 ** 26,
    'bytes',
    'Receive buffer of each class with flow control; what does not fit is dropped',
    'chosen: headroom for 400 Gb/s and 100 m',
  ),
  parameter(
    'pfcXoffBytes',
    MAX_FRAME_BYTES,
    2 ** 26,
    'bytes',
    'High mark of that buffer: the far end is asked to pause the class',
    'chosen',
  ),
  parameter('pfcXonBytes', 0, 2 ** 26, 'bytes', 'Low mark: the class may go on', 'chosen'),
  parameter(
    'pfcQuanta',
    LEAST_QUANTA,
    MOST_QUANTA,
    '512 bit times',
    'Pause that is asked for at the high mark, and again when half of it is over',
    'the longest',
  ),
  parameter('requesterBase', 0, 0xffff, 'ID', 'Requester ID of context 0; context c has c more', 'bus 1'),
  parameter(
    'managementRequesterId',
    0,
    0xffff,
    'ID',
    "Requester ID of the card's own transfers",
    'bus 0, device 31',
  ),
];

/** Refuses a card that cannot be built. @throws ParameterError naming the field, the value and what was expected. */
export function validateNicParameters(nic: NicParameters): void {
  for (const { name, least, most } of NIC_PARAMETERS) range(name, nic[name], least, most);
  const { contexts, descriptorCacheSlots, managementRequesterId, requesterBase } = nic;
  if ((descriptorCacheSlots & (descriptorCacheSlots - 1)) !== 0) {
    refuse('descriptorCacheSlots', descriptorCacheSlots, 'a power of two');
  }
  range('descriptorBatch', nic.descriptorBatch, 1, descriptorCacheSlots);
  const { pfcReceiveBytes, pfcXoffBytes } = nic;
  range('pfcXoffBytes', pfcXoffBytes, MAX_FRAME_BYTES, pfcReceiveBytes);
  range('pfcXonBytes', nic.pfcXonBytes, 0, pfcXoffBytes - 1);
  range('requesterBase', requesterBase, 0, 0xffff - contexts + 1);
  const asContext = managementRequesterId - requesterBase;
  if (asContext >= 0 && asContext < contexts) {
    refuse('managementRequesterId', managementRequesterId, `an ID that is not that of context ${asContext}`);
  }
}

/** Refuses a rate that no wire of the card has. @throws ParameterError likewise. */
export function validateRate(rateBps: number): void {
  for (const { name, least, most } of NIC_PARAMETERS)
    if (name === 'rateBps') range(name, rateBps, least, most);
}

function range(field: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    refuse(field, value, `a whole number from ${least} to ${most}`);
  }
}

function refuse(field: string, value: number, expected: string): never {
  throw new ParameterError(`nic.${field} is ${value}, expected ${expected}`);
}
