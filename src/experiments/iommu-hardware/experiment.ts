import { defineExperiment } from '../experiment.js';
import { iommuHardwareAnswer, iommuHardwareFigures } from './figures.js';
import { DATA_ORIGIN, HardwareDataError, type IommuHardwareResult, SHIPPED_DATA } from './index.js';

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
    return outcomes.map((outcome) => {
      if ('refused' in outcome) throw new HardwareDataError(outcome.refused);
      return outcome.result;
    });
  },
  present: (results: readonly IommuHardwareResult[]) => ({
    answer: results.map(iommuHardwareAnswer).join(' '),
    parameters: [
      { name: 'measurements', value: DATA_ORIGIN },
      { name: 'from the rows without IOMMU', value: 'rates and latency of engine, link and memory' },
      { name: 'seed', value: `${results[0]?.seed ?? '-'}` },
    ],
    figures: results.flatMap(iommuHardwareFigures),
    notes: [],
  }),
  // One file, one result; the shipped ones together are a list.
  document: (results) =>
    results.length === 1 && results[0] !== undefined ? results[0] : { experiment: 'iommu-hardware', results },
});
