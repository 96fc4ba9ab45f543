import { askOnce } from '../child.js';
import { round } from '../measure.js';
import type { Section } from '../section.js';
import type { AllocationAnswer, AllocationQuestion } from '../tasks/allocation.js';
import { PROTECTIONS } from './end-to-end.js';

/** A young generation, MB, that holds the allocations between two forced collections. */
const FLAGS = ['--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128'];

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
      for (const frameBytes of quick ? [1514] : [60, 1514]) {
        progress(`allocation: ${protection}, ${frameBytes} bytes`);
        const question: AllocationQuestion = {
          machine: { protection, contexts: 32, frameBytes },
          warmUpPackets: quick ? 50_000 : 200_000,
          packets: quick ? 20_000 : 300_000,
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
