import { describe, it } from 'vitest';
import { FLAT_MODEL_VERSION } from '../../bench/flat/flat-machine.js';
import { MODEL_VERSION } from '../../src/machine/model-version.js';
import { compareWithFlat, type FlatCase } from './compare-with-flat.js';

const CASES: readonly FlatCase[] = [
  { protection: 'cdna', contexts: 1, frameBytes: 60, frames: 3_000 },
  { protection: 'cdna', contexts: 32, frameBytes: 60, frames: 6_000 },
  { protection: 'cdna', contexts: 32, frameBytes: 1514, frames: 6_000 },
  { protection: 'cdna', contexts: 100, frameBytes: 61, frames: 8_000 },
  { protection: 'iommu:direct-map', contexts: 1, frameBytes: 1514, frames: 1_000 },
  { protection: 'iommu:direct-map', contexts: 32, frameBytes: 60, frames: 4_000 },
  { protection: 'iommu:direct-map', contexts: 32, frameBytes: 1514, frames: 6_000 },
  { protection: 'iommu:direct-map', contexts: 300, frameBytes: 1514, frames: 6_000 },
  { protection: 'iommu:single-use', contexts: 1, frameBytes: 60, frames: 1_000 },
  { protection: 'iommu:single-use', contexts: 32, frameBytes: 60, frames: 4_000 },
  { protection: 'iommu:single-use', contexts: 32, frameBytes: 1514, frames: 4_000 },
  { protection: 'iommu:single-use', contexts: 1_100, frameBytes: 60, frames: 3_000 },
];

// test/bench/flat-machine.test.ts says why, when it is of another version.
describe.skipIf(FLAT_MODEL_VERSION !== MODEL_VERSION)('the flat reference', () => {
  it.each(CASES)(
    'puts the frames of the emulator on the wire at the same nanoseconds: $protection, $contexts contexts, $frameBytes bytes',
    compareWithFlat,
  );
});
