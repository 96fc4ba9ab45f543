import type { Clock } from '../scheduler/clock.js';
import { ParameterError } from '../scheduler/errors.js';
import { SerialLine } from '../scheduler/serial-line.js';
import { floorLog2 } from '../scheduler/whole-logarithm.js';
import { offsetInPage, PAGE_BYTES } from './addresses.js';

/** A PCIe link and what lies behind it, as named parameters. */
export interface PcieParameters {
  /** 1 to 6: 2.5, 5, 8, 16, 32, 64 GT/s per lane; 6 is in FLIT mode. */
  readonly generation: 1 | 2 | 3 | 4 | 5 | 6;
  /** 1, 2, 4, 8 or 16. */
  readonly lanes: number;
  /** Largest payload of one write or completion (MPS), bytes. */
  readonly maxPayloadBytes: number;
  /** Largest read request (MRRS), bytes. */
  readonly maxReadRequestBytes: number;
  /** Completions of one request part only at multiples of this (RCB), bytes. */
  readonly readCompletionBoundaryBytes: number;
  /** Overhead of a write or read request besides its payload: framing, sequence, 64-bit header, LCRC. */
  readonly requestHeaderBytes: number;
  /** The same for a completion with data. */
  readonly completionHeaderBytes: number;
  /** Share of the raw rate that is left after flow control and acknowledgements; 0 for `dataLinkEfficiencyOf`. */
  readonly dataLinkEfficiency: number;
  /** One way through the link and the root complex, ns. */
  readonly propagationNs: number;
}

/**
 * Gen 3 x8 with the header sizes of Neugebauer et al., "Understanding PCIe performance for end host networking", SIGCOMM
 * 2018, section 3 (24 bytes per request, 20 per completion). 57.885 Gb/s are left for packets, as in their pcie-model.
 */
export const DEFAULT_PCIE: PcieParameters = {
  generation: 3,
  lanes: 8,
  maxPayloadBytes: 256,
  maxReadRequestBytes: 512,
  readCompletionBoundaryBytes: 64,
  requestHeaderBytes: 24,
  completionHeaderBytes: 20,
  dataLinkEfficiency: 0,
  propagationNs: 150,
};

/** A parameter of the link as the datasheet lists it. */
export interface PcieParameterDefinition {
  /** The values that there are, or the range that they lie in. */
  readonly allowed: readonly number[] | PcieRange;
  /** The same in words, for messages and the datasheet. */
  readonly expected: string;
  readonly unit: string;
  readonly meaning: string;
}

/** From `least` (or above it) to `most`. */
export interface PcieRange {
  readonly least: number;
  readonly most: number;
  readonly isWhole: boolean;
  readonly isAboveLeast?: boolean;
}

const SIZES = [128, 256, 512, 1024, 2048, 4096] as const;
const COUNT: PcieRange = { least: 0, most: 1_000_000, isWhole: true };

/** The parameters of the link, with what each may be: checks, datasheet and schema follow from this table. */
export const PCIE_PARAMETERS: Readonly<Record<keyof PcieParameters, PcieParameterDefinition>> = {
  generation: {
    allowed: [1, 2, 3, 4, 5, 6],
    expected: '1 to 6',
    unit: '',
    meaning: '2.5, 5, 8, 16, 32 or 64 GT/s per lane; 6 in FLIT mode',
  },
  lanes: {
    allowed: [1, 2, 4, 8, 16],
    expected: '1, 2, 4, 8 or 16',
    unit: 'lanes',
    meaning: 'Width of the link',
  },
  maxPayloadBytes: {
    allowed: SIZES,
    expected: 'a power of two from 128 to 4096',
    unit: 'bytes',
    meaning: 'Largest payload of a write or a completion (MPS)',
  },
  maxReadRequestBytes: {
    allowed: SIZES,
    expected: 'a power of two from 128 to 4096',
    unit: 'bytes',
    meaning: 'Largest read request (MRRS)',
  },
  readCompletionBoundaryBytes: {
    allowed: [64, 128],
    expected: '64 or 128',
    unit: 'bytes',
    meaning: 'Completions of one request part only at multiples of this (RCB)',
  },
  requestHeaderBytes: {
    allowed: COUNT,
    expected: 'a whole number from 0 to 1,000,000',
    unit: 'bytes',
    meaning:
      'A write or read request besides its payload: framing, sequence, 64-bit header, LCRC; 8 bytes less in FLIT mode',
  },
  completionHeaderBytes: {
    allowed: COUNT,
    expected: 'a whole number from 0 to 1,000,000',
    unit: 'bytes',
    meaning: 'A completion besides its data; 8 bytes less in FLIT mode',
  },
  dataLinkEfficiency: {
    allowed: { least: 0, most: 1, isWhole: false },
    expected: 'a number from 0 to 1',
    unit: '',
    meaning:
      'Share of the rate that flow control and acknowledgements leave; 0 computes it from generation, lanes and MPS',
  },
  propagationNs: {
    allowed: COUNT,
    expected: 'a whole number from 0 to 1,000,000',
    unit: 'ns',
    meaning: 'One way through the link and the root complex',
  },
};

const TRANSFERS_PER_LANE = { 1: 2.5e9, 2: 5e9, 3: 8e9, 4: 16e9, 5: 32e9, 6: 64e9 } as const;

/** Framing, sequence number and LCRC: in FLIT mode no packet has them. */
const LINK_BYTES_PER_PACKET = 8;
/** A data link packet with its framing, bytes: an acknowledgement or an update of flow control. */
const DLLP_BYTES = 8;
/** Symbols between two SKP ordered sets at most, and the symbols of one. */
const SKIP_INTERVAL = 1538;
const SKIP_SYMBOLS = 4;
/** Symbols that a receiver may take by itself before it acknowledges, by generation. */
const INTERNAL_DELAY = { 1: 19, 2: 70, 3: 115, 4: 115, 5: 115 } as const;
const TLP_OVERHEAD_SYMBOLS = 28;

/** Share of the raw rate that encoding leaves; in FLIT mode 236 of 256 bytes are for packets (CRC, FEC and DLP have 20). */
function encodingOf(generation: PcieParameters['generation']): number {
  if (generation <= 2) return 8 / 10;
  return generation <= 5 ? 128 / 130 : 236 / 256;
}

/**
 * Share of the rate that is left for packets when every acknowledgement and every update of flow control is sent as late
 * as the PCI Express base specification allows (revision 5.0, sections 2.6.1.2 and 3.6.3.1, tables 2-46 and 3-7 to
 * 3-9: (MPS + 28) x factor / lanes + internal delay, in symbols), and the link compensates its clocks. This is how
 * pcie-model (Neugebauer et al., SIGCOMM 2018) computes it. In FLIT mode both are part of the FLIT.
 */
export function dataLinkEfficiencyOf({
  generation,
  lanes,
  maxPayloadBytes,
}: Pick<PcieParameters, 'generation' | 'lanes' | 'maxPayloadBytes'>): number {
  if (generation === 6) return 1;
  const isLarge = maxPayloadBytes >= 512;
  const factor = lanes === 16 ? (isLarge ? 2 : 3) : lanes === 8 ? (isLarge ? 1 : 2.5) : isLarge ? 1 : 1.4;
  const limit = Math.floor(
    ((maxPayloadBytes + TLP_OVERHEAD_SYMBOLS) * factor) / lanes + INTERNAL_DELAY[generation],
  );
  return 1 - (2 * DLLP_BYTES) / limit - SKIP_SYMBOLS / SKIP_INTERVAL;
}

/**
 * Both directions of a PCIe link, as lines that carry transaction layer packets. It knows how many packets a
 * transfer takes and when their last byte arrives, and is independent of their purpose.
 */
export class PcieLink {
  readonly parameters: PcieParameters;
  /** What a request and a completion have on this link besides their data, bytes. */
  readonly requestHeaderBytes: number;
  readonly completionHeaderBytes: number;
  /** Device to host: writes, read requests. */
  readonly upstream: SerialLine;
  /** Host to device: read completions. */
  readonly downstream: SerialLine;

  constructor(parameters: PcieParameters = DEFAULT_PCIE) {
    validate(parameters);
    this.parameters = parameters;
    this.#payloadShift = floorLog2(parameters.maxPayloadBytes);
    this.#requestShift = floorLog2(parameters.maxReadRequestBytes);
    const { generation, lanes, requestHeaderBytes, completionHeaderBytes } = parameters;
    const unframed = generation === 6 ? LINK_BYTES_PER_PACKET : 0;
    this.requestHeaderBytes = Math.max(0, requestHeaderBytes - unframed);
    this.completionHeaderBytes = Math.max(0, completionHeaderBytes - unframed);
    const efficiency = parameters.dataLinkEfficiency || dataLinkEfficiencyOf(parameters);
    const rateBps = Math.floor(TRANSFERS_PER_LANE[generation] * lanes * encodingOf(generation) * efficiency);
    this.upstream = new SerialLine(rateBps);
    this.downstream = new SerialLine(rateBps);
  }

  // Packet sizes are powers of two: divisions by them are shifts.
  readonly #payloadShift: number;
  readonly #requestShift: number;

  /** Read requests that `length` bytes at `address` take: a request ends at an MRRS boundary or before. */
  readRequests(address: number, length: number): number {
    const unit = this.parameters.maxReadRequestBytes;
    return ((address & (unit - 1)) + length + unit - 1) >> this.#requestShift;
  }

  /**
   * Completions that answer such a read, if the root complex fills them as far as it may: one carries MPS
   * bytes at most, and all but the last of a request end at a multiple of RCB.
   */
  completions(address: number, length: number): number {
    const { maxPayloadBytes, readCompletionBoundaryBytes, maxReadRequestBytes } = this.parameters;
    let count = 0;
    let at = address & (maxReadRequestBytes - 1);
    let left = length;
    while (left > 0) {
      const asked = Math.min(left, maxReadRequestBytes - at);
      // Only the first completion can begin off the boundary, and it pays for that if there are more.
      const lost = asked <= maxPayloadBytes ? 0 : at & (readCompletionBoundaryBytes - 1);
      count += (lost + asked + maxPayloadBytes - 1) >> this.#payloadShift;
      left -= asked;
      at = 0;
    }
    return count;
  }

  /**
   * Write packets that `length` bytes at `address` take: none is longer than MPS, or crosses a 4 KB boundary (PCI
   * Express base specification, section 2.2.7).
   */
  writes(address: number, length: number): number {
    const { maxPayloadBytes } = this.parameters;
    const shift = this.#payloadShift;
    const first = Math.min(length, PAGE_BYTES - offsetInPage(address));
    // Whole pages are whole packets, so only what is before the first boundary is counted apart.
    return ((first + maxPayloadBytes - 1) >> shift) + ((length - first + maxPayloadBytes - 1) >> shift);
  }

  /** Sends the requests for a read; returns when the last of them is at the root complex, ns. */
  requestRead(address: number, length: number, fromNs: number): number {
    const bytes = this.readRequests(address, length) * this.requestHeaderBytes;
    return this.upstream.carry(bytes, fromNs) + this.parameters.propagationNs;
  }

  /** Sends the completions of a read, whose data is there in `inNs`; returns in how many ns the last byte is at the device. */
  completeRead(clock: Clock, address: number, length: number, inNs: number): number {
    const bytes = this.completions(address, length) * this.completionHeaderBytes + length;
    return this.downstream.carryIn(clock, bytes, inNs) + this.parameters.propagationNs;
  }

  /** Sends a completion without data (abort), likewise. */
  completeAbort(clock: Clock, inNs: number): number {
    return this.downstream.carryIn(clock, this.completionHeaderBytes, inNs) + this.parameters.propagationNs;
  }

  /**
   * The CPU writes a register of 4 bytes, which leave it in `leavesInNs`; returns in how many ns they are at the device. The
   * link is booked now, so that completions do not wait for a write that leaves later.
   */
  writeRegister(clock: Clock, leavesInNs: number): number {
    const bytes = this.requestHeaderBytes + 4;
    const passedInNs = Math.max(
      this.downstream.carryIn(clock, bytes, 0),
      leavesInNs + this.downstream.durationNs(bytes),
    );
    return passedInNs + this.parameters.propagationNs;
  }

  /** The CPU asks for a register. */
  requestRegister(clock: Clock): void {
    this.downstream.carryIn(clock, this.requestHeaderBytes, 0);
  }

  /** Sends a posted write; returns when its last byte is at the root complex, ns. */
  write(address: number, length: number, fromNs: number): number {
    const bytes = this.writes(address, length) * this.requestHeaderBytes + length;
    return this.upstream.carry(bytes, fromNs) + this.parameters.propagationNs;
  }
}

function validate(parameters: PcieParameters): void {
  for (const field of Object.keys(PCIE_PARAMETERS) as (keyof PcieParameters)[]) {
    const value = parameters[field];
    const { allowed, expected } = PCIE_PARAMETERS[field];
    if (isAllowed(value, allowed)) continue;
    throw new ParameterError(`pcie.${field} is ${value}, expected ${expected}`);
  }
}

function isAllowed(value: number, allowed: PcieParameterDefinition['allowed']): boolean {
  if (!('least' in allowed)) return allowed.includes(value);
  const { least, most, isWhole, isAboveLeast = false } = allowed;
  const isInside = value >= least && value <= most && !(isAboveLeast && value === least);
  return isInside && (!isWhole || Number.isInteger(value));
}
