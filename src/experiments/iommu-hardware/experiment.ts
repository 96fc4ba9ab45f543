import type { Experiment } from '../experiment.js';
import { isAsStored } from '../stored-result.js';
import { reproduceIommuHardware, SHIPPED_DATA } from './index.js';
import { printIommuHardware } from './print.js';
import type { IommuHardwareResult } from './reproduce.js';

/** Random DMA with the IOMMU off and on, beside machines that were measured. */
export const iommuHardware: Experiment = {
  name: 'iommu-hardware',
  question: 'does the emulated IOMMU slow DMA down as real ones do?',
  takesData: true,
  async run({ dataPath, seed, progress }) {
    const files = dataPath === undefined ? SHIPPED_DATA : [dataPath];
    const results: IommuHardwareResult[] = files.map((file, index) =>
      reproduceIommuHardware({
        dataPath: file,
        seed,
        progress: (done, step) => progress((index + done) / files.length, step),
      }),
    );
    const [first] = results;
    if (first === undefined) throw new Error('an experiment without data');
    return {
      text: results.map(printIommuHardware).join('\n\n'),
      // One file, one result; the shipped ones together are a list.
      document: results.length === 1 ? first : { experiment: this.name, results },
      asStored:
        dataPath !== undefined || isAsStored(new URL('./result.json', import.meta.url), seed, results),
    };
  },
};
