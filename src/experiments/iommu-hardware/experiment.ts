import type { Experiment } from '../experiment.js';
import { isAsStored } from '../stored-result.js';
import { iommuHardwareAnswer, iommuHardwareFigures } from './figures.js';
import { HardwareDataError, SHIPPED_DATA } from './index.js';
import { printIommuHardware } from './print.js';

/** Random DMA with the IOMMU off and on, beside machines that were measured. */
export const iommuHardware: Experiment = {
  name: 'iommu-hardware',
  question: 'does the emulated IOMMU slow DMA down as real ones do?',
  takesData: true,
  async run({ dataPath, seed, repeat, threads, progress }) {
    const files = dataPath === undefined ? SHIPPED_DATA : [dataPath];
    const outcomes = await threads.each(
      'iommu-hardware/file',
      files.map((file) => ({ dataPath: file, seed })),
      (done) => progress(done / files.length, 'machines'),
    );
    const results = outcomes.map((outcome) => {
      if ('refused' in outcome) throw new HardwareDataError(outcome.refused);
      return outcome.result;
    });
    const [first] = results;
    if (first === undefined) throw new Error('an experiment without data');
    return {
      text: results.map(printIommuHardware).join('\n\n'),
      answer: results.map(iommuHardwareAnswer).join(' '),
      // One file, one result; the shipped ones together are a list.
      document: results.length === 1 ? first : { experiment: this.name, results },
      figures: results.flatMap((result) => iommuHardwareFigures(result, repeat)),
      asStored:
        dataPath !== undefined || isAsStored(new URL('./result.json', import.meta.url), seed, results),
    };
  },
};
