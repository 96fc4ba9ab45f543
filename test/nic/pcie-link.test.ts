import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_PCIE, dataLinkEfficiencyOf, PcieLink, type PcieParameters } from '../../nic/pcie-link.js';
import { ParameterError } from '../../scheduler/errors.js';

const PAGE = 4096;

/** Packets of a write, cut one after the other: MPS bytes at most, and never over a 4 KB boundary. */
function cutWrites(address: number, length: number, mps: number): number[] {
  const packets: number[] = [];
  let at = address;
  for (let left = length; left > 0; ) {
    const packet = Math.min(left, mps, PAGE - (at % PAGE));
    packets.push(packet);
    at += packet;
    left -= packet;
  }
  return packets;
}

/** Requests of a read: they end at multiples of MRRS. */
function cutRequests(address: number, length: number, mrrs: number): { at: number; bytes: number }[] {
  const requests: { at: number; bytes: number }[] = [];
  let at = address;
  for (let left = length; left > 0; ) {
    const bytes = Math.min(left, mrrs - (at % mrrs));
    requests.push({ at, bytes });
    at += bytes;
    left -= bytes;
  }
  return requests;
}

/** Completions of one request: as long as MPS allows; all but the last end at a multiple of RCB. */
function cutCompletions(at: number, bytes: number, mps: number, rcb: number): number[] {
  const completions: number[] = [];
  let from = at;
  for (let left = bytes; left > 0; ) {
    const most = Math.min(left, mps);
    const carried = most === left ? left : most - ((from + most) % rcb);
    completions.push(carried);
    from += carried;
    left -= carried;
  }
  return completions;
}

const transfer = fc.record({ address: fc.nat(1_000_000), length: fc.integer({ min: 1, max: 16_384 }) });
const link = fc.record({
  maxPayloadBytes: fc.constantFrom(128, 256, 512, 1024, 4096),
  maxReadRequestBytes: fc.constantFrom(128, 256, 512, 1024, 4096),
  readCompletionBoundaryBytes: fc.constantFrom(64, 128),
});

describe('a PCIe link', () => {
  it('counts packets as cutting them one by one does', () => {
    fc.assert(
      fc.property(link, transfer, (parameters, { address, length }) => {
        const pcie = new PcieLink({ ...DEFAULT_PCIE, ...parameters });
        const {
          maxPayloadBytes: mps,
          maxReadRequestBytes: mrrs,
          readCompletionBoundaryBytes: rcb,
        } = parameters;
        expect(pcie.writes(address, length)).toBe(cutWrites(address, length, mps).length);
        const requests = cutRequests(address, length, mrrs);
        expect(pcie.readRequests(address, length)).toBe(requests.length);
        const completions = requests.flatMap(({ at, bytes }) => cutCompletions(at, bytes, mps, rcb));
        expect(completions.reduce((sum, bytes) => sum + bytes, 0)).toBe(length);
        expect(pcie.completions(address, length)).toBe(completions.length);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    // address, length, writes, requests, completions; MPS 256, MRRS 512, RCB 64
    [0x1000, 64, 1, 1, 1],
    [0x1000, 256, 1, 1, 1],
    [0x1000, 257, 2, 1, 2],
    [0x1000, 1514, 6, 3, 6],
    [0x1010, 256, 1, 1, 1],
    [0x1010, 500, 2, 2, 3],
    [0x1fff, 2, 2, 2, 2],
    [0x1f80, 9018, 36, 19, 36],
  ])('at %i takes %i bytes in so many packets', (address, length, writes, requests, completions) => {
    const pcie = new PcieLink();
    expect(pcie.writes(address, length)).toBe(writes);
    expect(pcie.readRequests(address, length)).toBe(requests);
    expect(pcie.completions(address, length)).toBe(completions);
  });

  it.each([
    // Neugebauer et al., SIGCOMM 2018: 62.96 Gb/s for generation 3 with 8 lanes after encoding and framing.
    [1, 1, 1, 2_000_000_000],
    [2, 4, 1, 16_000_000_000],
    [3, 8, 1, 63_015_384_615],
    [3, 8, 0.9193, 57_930_043_076],
    [4, 16, 1, 252_061_538_461],
    [5, 16, 1, 504_123_076_923],
    // FLIT mode: 236 of 256 bytes (PCI Express base specification 6.0, section 4.2.3).
    [6, 16, 1, 944_000_000_000],
  ] as const)(
    'of generation %i with %i lanes and efficiency %d carries %i bits per second',
    (generation, lanes, dataLinkEfficiency, rateBps) => {
      const pcie = new PcieLink({ ...DEFAULT_PCIE, generation, lanes, dataLinkEfficiency });
      expect(pcie.upstream.rateBps).toBe(rateBps);
      expect(pcie.downstream.rateBps).toBe(rateBps);
    },
  );

  // pcie-model at 40703cf computes what acknowledgements, updates of flow control and clock compensation leave.
  it.each([
    [1, 1, 128, 0.92989],
    [1, 8, 256, 0.84787],
    [1, 16, 256, 0.77518],
    [1, 16, 512, 0.81135],
    [2, 4, 128, 0.86837],
    [3, 8, 256, 0.91858],
    [3, 16, 4096, 0.972],
    [4, 4, 1024, 0.95507],
    [5, 1, 4096, 0.99362],
    [5, 16, 128, 0.88629],
  ] as const)(
    'of generation %i with %i lanes and an MPS of %i leaves %d of its rate for packets',
    (generation, lanes, maxPayloadBytes, share) => {
      expect(dataLinkEfficiencyOf({ generation, lanes, maxPayloadBytes })).toBeCloseTo(share, 4);
    },
  );

  it('of generation 3 with 8 lanes carries 57.885 Gb/s of packets (Neugebauer et al., SIGCOMM 2018)', () => {
    expect(new PcieLink().upstream.rateBps / 1e9).toBeCloseTo(57.885, 3);
  });

  it('has no framing, sequence number and LCRC with each packet in FLIT mode', () => {
    const flit = new PcieLink({ ...DEFAULT_PCIE, generation: 6 });
    expect([flit.requestHeaderBytes, flit.completionHeaderBytes]).toEqual([16, 12]);
    expect(flit.upstream.rateBps).toBe(472_000_000_000);
  });

  it('takes the time that the bytes of the packets take, both ways, in exact arithmetic', () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom('read', 'write', 'abort'),
        address: fc.nat(100_000),
        length: fc.integer({ min: 1, max: 9018 }),
        gapNs: fc.nat(2000),
      }),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const pcie = new PcieLink();
        const { requestHeaderBytes, completionHeaderBytes, propagationNs } = DEFAULT_PCIE;
        const up = new ExactLine(BigInt(pcie.upstream.rateBps));
        const down = new ExactLine(BigInt(pcie.downstream.rateBps));
        let nowNs = 0;
        for (const { kind, address, length, gapNs } of list) {
          nowNs += gapNs;
          if (kind === 'write') {
            const bytes = pcie.writes(address, length) * requestHeaderBytes + length;
            expect(pcie.write(address, length, nowNs)).toBe(up.carry(bytes, nowNs) + propagationNs);
          } else if (kind === 'read') {
            const requests = pcie.readRequests(address, length) * requestHeaderBytes;
            expect(pcie.requestRead(address, length, nowNs)).toBe(up.carry(requests, nowNs) + propagationNs);
            const bytes = pcie.completions(address, length) * completionHeaderBytes + length;
            expect(nowNs + pcie.completeRead({ nowNs }, address, length, 0)).toBe(
              down.carry(bytes, nowNs) + propagationNs,
            );
          } else {
            expect(nowNs + pcie.completeAbort({ nowNs: nowNs - 7 }, 7) - 7).toBe(
              down.carry(completionHeaderBytes, nowNs) + propagationNs,
            );
          }
        }
      }),
    );
  });

  it.each([
    [{ generation: 7 }, 'pcie.generation is 7, expected 1 to 6'],
    [{ lanes: 3 }, 'pcie.lanes is 3, expected 1, 2, 4, 8 or 16'],
    [{ maxPayloadBytes: 200 }, 'pcie.maxPayloadBytes is 200, expected a power of two from 128 to 4096'],
    [{ maxReadRequestBytes: 64 }, 'pcie.maxReadRequestBytes is 64, expected a power of two from 128 to 4096'],
    [{ readCompletionBoundaryBytes: 96 }, 'pcie.readCompletionBoundaryBytes is 96, expected 64 or 128'],
    [{ propagationNs: 0.5 }, 'pcie.propagationNs is 0.5, expected a whole number from 0 to 1,000,000'],
    [
      { requestHeaderBytes: -1 },
      'pcie.requestHeaderBytes is -1, expected a whole number from 0 to 1,000,000',
    ],
    [{ dataLinkEfficiency: -0.1 }, 'pcie.dataLinkEfficiency is -0.1, expected a number from 0 to 1'],
    [{ dataLinkEfficiency: Number.NaN }, 'pcie.dataLinkEfficiency is NaN, expected a number from 0 to 1'],
  ])('is not built with %o', (wrong, message) => {
    expect(() => new PcieLink({ ...DEFAULT_PCIE, ...wrong } as PcieParameters)).toThrow(
      new ParameterError(message),
    );
  });
});

/** A serial line in whole picoseconds' fractions: BigInt, no rounding but the last. */
class ExactLine {
  readonly #rateBps: bigint;
  // Free at #freeNs + #bits / rate, counted from the start of the busy period.
  #startNs = 0n;
  #bits = 0n;

  constructor(rateBps: bigint) {
    this.#rateBps = rateBps;
  }

  carry(bytes: number, fromNs: number): number {
    if (BigInt(fromNs) > this.#ceil()) {
      this.#startNs = BigInt(fromNs);
      this.#bits = 0n;
    }
    this.#bits += BigInt(bytes) * 8n;
    return Number(this.#ceil());
  }

  #ceil(): bigint {
    return this.#startNs + (this.#bits * 1_000_000_000n + this.#rateBps - 1n) / this.#rateBps;
  }
}
