import { readFileSync } from 'node:fs';
import type { Experiment } from '../experiment.js';
import { reproduceIommuHardware, SHIPPED_DATA, STORED_SEED } from './index.js';
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
      asStored: dataPath !== undefined || isAsStored(results, seed),
    };
  },
};

/** Whether this run gave what lies in result.json, which was made with one seed. */
function isAsStored(results: readonly IommuHardwareResult[], seed: number): boolean {
  if (seed !== STORED_SEED) return true;
  const stored: unknown = JSON.parse(readFileSync(new URL('./result.json', import.meta.url), 'utf8'));
  return JSON.stringify(results) === JSON.stringify(stored);
}
