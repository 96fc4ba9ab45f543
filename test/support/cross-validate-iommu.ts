import { readFileSync } from 'node:fs';
import { crossValidate } from '../../src/experiments/iommu-hardware/cross-validation.js';
import {
  parseHardwareRows,
  parseLatencyRows,
  SHIPPED_DATA,
  STORED_SEED,
} from '../../src/experiments/iommu-hardware/index.js';

// What the constants that are chosen on one machine say of the other: `npm run cross-validate`. Takes minutes.
const machines = SHIPPED_DATA.map(({ dataPath, latencyPath }) => ({
  ...parseHardwareRows(readFileSync(dataPath, 'utf8'), dataPath),
  latencies: parseLatencyRows(readFileSync(latencyPath, 'utf8'), latencyPath),
}));
const percent = (fraction: number) => `${(fraction * 100).toFixed(1)} %`;
for (const known of machines) {
  for (const unseen of machines) {
    if (unseen === known) continue;
    const { constants, bandwidth } = crossValidate(known, unseen, STORED_SEED);
    process.stdout.write(
      `chosen on ${known.machine}: ${Object.entries(constants)
        .map(([name, value]) => `${name} ${value}`)
        .join(
          ', ',
        )}\n  ${unseen.machine}: median ${percent(bandwidth.medianError)}, 95th percentile ${percent(
        bandwidth.p95Error,
      )}, largest ${percent(bandwidth.maxError)}\n`,
    );
  }
}
