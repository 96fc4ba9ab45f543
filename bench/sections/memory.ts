import { askOnce } from '../child.js';
import { round } from '../measure.js';
import type { Row, Section } from '../section.js';
import type { HeapObjectsQuestion } from '../tasks/heap-objects.js';
import type { MemoryAnswer, MemoryQuestion } from '../tasks/memory.js';

const APPROACHES = ['none', 'cdna', 'iommu:single-use'] as const;
/** Rings as short as they can be, so that nothing that belongs to a slot hides in the slope; and as elsewhere here. */
const RINGS = [
  { transmitSlots: 2, receiveSlots: 2 },
  { transmitSlots: 64, receiveSlots: 16 },
] as const;
const BASE = 1;
/** Enough that every guest has sent its share of each pattern and has used every buffer. */
const FRAMES_A_CONTEXT = 80;
const FRAMES_AT_LEAST = 20_000;
/** With more contexts a snapshot of the heap takes minutes. */
const MOST_COUNTED_CONTEXTS = 1024;

/**
 * The cost of a context: memory with many contexts, minus memory with one, over the difference, each in a fresh
 * process after a collection. RAM of the emulated machine (rings, buffers, tables; backed in pieces of 64 KB) is
 * counted separately, and so is the traffic source, which holds the patterns of the frames: the rest, heap and typed
 * arrays, is our own bookkeeping for card, host, port and driver. Objects are counted in a snapshot of the heap of one more
 * process, with those of the traffic source.
 */
export const memory: Section = {
  name: 'memory',
  title: 'Memory per context, bytes: our own, and the emulated RAM that it touches',
  async run({ quick, progress }) {
    const rows: Row[] = [];
    for (const protection of quick ? APPROACHES.slice(1, 2) : APPROACHES) {
      for (const rings of RINGS) {
        const questionOf = (contexts: number): MemoryQuestion & HeapObjectsQuestion => {
          progress(`memory: ${protection}, ${contexts} contexts, rings of ${rings.transmitSlots}`);
          return {
            machine: { protection, contexts, frameBytes: 1514, ...rings },
            frames: Math.max(FRAMES_AT_LEAST, contexts * FRAMES_A_CONTEXT),
          };
        };
        const ask = (contexts: number) =>
          askOnce<MemoryAnswer>('memory', questionOf(contexts), ['--expose-gc']);
        const objects = (contexts: number) => askOnce<number>('heap-objects', questionOf(contexts));
        const base = await ask(BASE);
        const baseObjects = await objects(BASE);
        for (const contexts of quick ? [256] : [256, 1024, 4096]) {
          const found = await ask(contexts);
          const each = (of: (answer: MemoryAnswer) => number) =>
            Math.round((of(found) - of(base)) / (contexts - BASE));
          const ownBytes = each(ownOf);
          const more =
            contexts > MOST_COUNTED_CONTEXTS ? Number.NaN : (await objects(contexts)) - baseObjects;
          rows.push({
            protection,
            contexts,
            ...rings,
            ownBytesPerContext: ownBytes,
            heapObjectsPerContext: Number.isNaN(more) ? null : Math.round(more / (contexts - BASE)),
            heapBytesPerContext: each(({ heapBytes }) => heapBytes),
            typedArrayBytesPerContext: each(({ bufferBytes, ramBytes }) => bufferBytes - ramBytes),
            sourceBytesPerContext: each(({ sourceBytes }) => sourceBytes),
            ramBytesPerContext: each(({ ramBytes }) => ramBytes),
            peakMegabytes: round(found.peakBytes / 2 ** 20),
          });
        }
      }
    }
    return rows;
  },
};

function ownOf({ heapBytes, bufferBytes, ramBytes, sourceBytes }: MemoryAnswer): number {
  return heapBytes + bufferBytes - ramBytes - sourceBytes;
}
