import { askOnce } from '../child.js';
import type { GreedyMachineOptions } from '../greedy-machine.js';
import { median } from '../measure.js';
import type { Row, Section } from '../section.js';

const APPROACHES = ['none', 'cdna', 'iommu:direct-map', 'iommu:single-use'] as const;
const CONTEXTS = [1024, 4096, 16_384] as const;
const REPETITIONS = 3;

/** Opening contexts, with rings of two slots, so that it is contexts that are counted and not their buffers. */
export const setUp: Section = {
  name: 'set-up',
  title: 'Set-up: processor time until every context is open, rings of two slots',
  async run({ quick, progress }) {
    const rows: Row[] = [];
    for (const protection of quick ? APPROACHES.slice(1, 2) : APPROACHES) {
      for (const contexts of quick ? CONTEXTS.slice(0, 1) : CONTEXTS) {
        progress(`set-up: ${protection}, ${contexts} contexts`);
        const machine: GreedyMachineOptions = {
          protection,
          contexts,
          frameBytes: 60,
          transmitSlots: 2,
          receiveSlots: 2,
          idle: true,
        };
        const times: number[] = [];
        for (let index = 0; index < (quick ? 1 : REPETITIONS); index += 1)
          times.push(await askOnce<number>('set-up', machine));
        rows.push({
          protection,
          contexts,
          cpuSeconds: Number((median(times) / 1e9).toPrecision(3)),
          cpuUsPerContext: Number((median(times) / 1e3 / contexts).toPrecision(3)),
        });
      }
    }
    return rows;
  },
};
