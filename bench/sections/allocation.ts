import { askOnce } from '../child.js';
import { round } from '../measure.js';
import type { Section } from '../section.js';
import type { AllocationAnswer, AllocationQuestion } from '../tasks/allocation.js';
import type { Traffic } from '../traffic-machine.js';
import { PROTECTIONS } from './end-to-end.js';

/** A young generation, MB, that holds the allocations between two forced collections. */
const FLAGS = ['--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128'];

/** Later than the first time that is no small integer of the engine: from there on a time as an argument is allocated. */
const LATE_NS = 3_000_000_000;

interface Case {
  readonly traffic: Traffic;
  readonly frameBytes: number;
  readonly startNs: number;
}

const CASES: readonly Case[] = [
  { traffic: 'sent', frameBytes: 60, startNs: 0 },
  { traffic: 'sent', frameBytes: 1514, startNs: 0 },
  { traffic: 'sent', frameBytes: 60, startNs: LATE_NS },
  { traffic: 'received', frameBytes: 1514, startNs: 0 },
  { traffic: 'served', frameBytes: 60, startNs: 0 },
];
const QUICK_CASES: readonly Case[] = [{ traffic: 'sent', frameBytes: 1514, startNs: 0 }];

/**
 * Bytes allocated per packet after warm-up, collected or not: a heap profile of a process that runs one approach.
 * `grownBytes` is the check on it: by how much the heap in use grew between forced collections, with no profiler. A boxed
 * number is 16 bytes. The three functions that allocate most are listed; a function inlined into
 * another counts as the outer one.
 */
export const allocation: Section = {
  name: 'allocation',
  title: 'Heap profile: bytes allocated per packet, 32 contexts',
  async run({ quick, progress }) {
    const rows = [];
    for (const protection of quick ? PROTECTIONS.slice(0, 3) : PROTECTIONS) {
      for (const { traffic, frameBytes, startNs } of quick ? QUICK_CASES : CASES) {
        progress(`allocation: ${protection}, ${frameBytes} bytes, ${traffic}`);
        // A frame that is served has four times the events of one that is sent.
        const share = traffic === 'served' ? 4 : 1;
        const question: AllocationQuestion = {
          traffic,
          machine: { protection, contexts: 32, frameBytes, startNs },
          warmUpPackets: (quick ? 50_000 : 200_000) / share,
          packets: (quick ? 20_000 : 300_000) / share,
          top: 3,
        };
        const { grownBytes, sampledBytes, functions } = await askOnce<AllocationAnswer>(
          'allocation',
          question,
          FLAGS,
        );
        const most = functions
          .filter(({ bytes }) => bytes >= 0.05)
          .map(
            ({ place, bytes }) =>
              `${place.name}${place.file === '' ? '' : ` ${place.file}:${place.line}`} ${round(bytes)}`,
          )
          .join('; ');
        rows.push({
          protection,
          contexts: 32,
          traffic,
          startNs,
          frameBytes,
          bytesPerPacket: round(sampledBytes),
          grownBytesPerPacket: round(grownBytes),
          most,
        });
      }
    }
    return rows;
  },
};
