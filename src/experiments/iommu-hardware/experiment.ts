import { defineExperiment } from '../experiment.js';
import { iommuHardwareAnswer, iommuHardwareFigures } from './figures.js';
import { DATA_ORIGIN, HardwareDataError, type IommuHardwareResult, SHIPPED_DATA } from './index.js';

/** A result for each machine that was measured. */
export interface IommuHardwareResults {
  readonly experiment: 'iommu-hardware';
  readonly seed: number;
  readonly machines: readonly IommuHardwareResult[];
}

/** Random DMA with the IOMMU off and on, beside machines that were measured. */
export const iommuHardware = defineExperiment({
  name: 'iommu-hardware',
  question: 'does the emulated IOMMU slow DMA down as real ones do?',
  takesData: true as const,
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ dataPath, latencyPath, pages = '4k', seed, threads, progress }) {
    const files = dataPath === undefined ? SHIPPED_DATA : [{ dataPath, latencyPath: latencyPath ?? '' }];
    const outcomes = await threads.each(
      'iommu-hardware/file',
      files.map((file) => ({ ...file, pages, seed })),
      (done) => progress(done / files.length, 'machines'),
    );
    const machines = outcomes.map((outcome) => {
      if ('refused' in outcome) throw new HardwareDataError(outcome.refused);
      return outcome.result;
    });
    return { experiment: 'iommu-hardware' as const, seed, machines };
  },
  present: ({ seed, machines }: IommuHardwareResults) => ({
    answer: machines.map(iommuHardwareAnswer).join(' '),
    parameters: [
      { name: 'measurements', value: DATA_ORIGIN },
      { name: 'from the rows without IOMMU', value: 'rates and latency of engine, link and memory' },
      { name: 'seed', value: `${seed}` },
    ],
    figures: machines.flatMap(iommuHardwareFigures),
    notes: [],
  }),
});
