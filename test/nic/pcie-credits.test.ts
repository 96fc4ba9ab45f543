import { describe, expect, it } from 'vitest';
import { busAddress, requesterId } from '../../nic/addresses.js';
import { DmaEngine } from '../../nic/dma-engine.js';
import type { HostPort } from '../../nic/host-port.js';
import { PcieLink } from '../../nic/pcie-link.js';
import { EventKernel } from '../../scheduler/event-kernel.js';

/** Generation 3, 8 lanes, as pcie-model (at 40703cf) has it: what is left for packets, Gb/s. */
const LINK_GBPS = 57.885;
const BYTES_PER_NS = LINK_GBPS / 8;
const MPS = 256;
const MRRS = 512;
const HEADER = 24;
/** A unit of data credit (PCI Express base specification, section 2.6.1). */
const DATA_UNIT = 16;
/** From the end of a packet to the arrival of the credit that it gives back: (MPS + 28) x 2.5 / 8 + 115 symbols of 1 ns, and both ways. */
const CREDIT_RETURN_NS = ((MPS + 28) * 2.5) / 8 + 115 + 2 * 20;

/** What a root complex advertises: headers and data of posted requests, headers of others. */
interface Credits {
  readonly postedHeaders: number;
  readonly postedData: number;
  readonly nonPostedHeaders: number;
}

/**
 * A device with reads and writes of a size at any time, under the credits of the link, packet by packet: a packet goes when the
 * link is free and its kind has credits, and of two that may go the one that has moved less. Completions do not wait for credits (an
 * endpoint advertises infinite ones). Gb/s of payload each way.
 */
function underCredits(bytes: number, credits: Credits): { reads: number; writes: number } {
  const writePackets = packetsOf(bytes, MPS);
  const readPackets = packetsOf(bytes, MRRS);
  const returns: { atNs: number; headers: number; data: number; posted: boolean }[] = [];
  let [headers, data, requests] = [credits.postedHeaders, credits.postedData, credits.nonPostedHeaders];
  const moved = { reads: 0, writes: 0 };
  const at = { reads: 0, writes: 0 };
  let nowNs = 0;
  const endNs = 400_000;
  while (nowNs < endNs) {
    while ((returns[0]?.atNs ?? Number.POSITIVE_INFINITY) <= nowNs) {
      const back = returns.shift();
      if (back?.posted === true) {
        headers += back.headers;
        data += back.data;
      } else requests += back?.headers ?? 0;
    }
    const write = writePackets[at.writes % writePackets.length] ?? 0;
    const read = readPackets[at.reads % readPackets.length] ?? 0;
    const units = Math.ceil(write / DATA_UNIT);
    const mayWrite = headers >= 1 && data >= units;
    const mayRead = requests >= 1;
    if (!mayWrite && !mayRead) {
      nowNs = returns[0]?.atNs ?? endNs;
      continue;
    }
    const isWrite = mayWrite && (!mayRead || moved.writes < moved.reads);
    nowNs += (isWrite ? HEADER + write : HEADER) / BYTES_PER_NS;
    if (isWrite) {
      headers -= 1;
      data -= units;
      moved.writes += write;
      at.writes += 1;
    } else {
      requests -= 1;
      moved.reads += read;
      at.reads += 1;
    }
    returns.push({ atNs: nowNs + CREDIT_RETURN_NS, headers: 1, data: units, posted: isWrite });
  }
  return { reads: (moved.reads * 8) / nowNs, writes: (moved.writes * 8) / nowNs };
}

function packetsOf(bytes: number, most: number): number[] {
  return Array.from({ length: Math.ceil(bytes / most) }, (_, index) => Math.min(most, bytes - index * most));
}

const MEMORY: HostPort = { read: () => 0, write: () => 0, raise: () => undefined };

/** The same on the card's DMA engine. */
function onTheCard(bytes: number): { reads: number; writes: number } {
  const kernel = new EventKernel();
  const engine = new DmaEngine(kernel, new PcieLink(), MEMORY, 1, { maxInFlight: 256 });
  const moved = { read: 0, write: 0 };
  for (const kind of ['read', 'write'] as const) {
    const channel = engine.open(() => {
      moved[kind] += bytes;
      channel[kind]();
    });
    channel.owner = { index: 0, requesterId: requesterId(1) } as never;
    channel.address = busAddress(0x1000);
    channel.length = bytes;
    channel.buffer = new Uint8Array(bytes);
    for (let count = 0; count < 200; count += 1) channel[kind]();
  }
  kernel.run(400_000);
  return { reads: (moved.read * 8) / 400_000, writes: (moved.write * 8) / 400_000 };
}

// A root complex advertises more than this: the credits cover what the link carries until they come back.
const ENOUGH: Credits = { postedHeaders: 48, postedData: 192, nonPostedHeaders: 48 };

describe('the flow-control credits of the PCIe link', () => {
  it.each([64, 256, 512, 1500])(
    'decide nothing where they cover the round trip: %i bytes move as the card and pcie-model have it, within a fiftieth',
    (bytes) => {
      const formula =
        (LINK_GBPS * bytes) / (bytes + 24 * Math.ceil(bytes / MPS) + 24 * Math.ceil(bytes / MRRS));
      const credited = underCredits(bytes, ENOUGH);
      const card = onTheCard(bytes);
      for (const way of ['reads', 'writes'] as const) {
        expect(credited[way] / formula, `${way} under credits`).toBeCloseTo(1, 1);
        expect(Math.abs(credited[way] / formula - 1)).toBeLessThan(0.02);
        expect(Math.abs(card[way] / credited[way] - 1)).toBeLessThan(0.02);
      }
    },
  );

  it('limit a way whose credits do not, which the card does not show', () => {
    const few = underCredits(256, { ...ENOUGH, postedHeaders: 2 });
    expect(few.writes).toBeLessThan(0.8 * underCredits(256, ENOUGH).writes);
  });
});
