import { cdnaTour } from './cdna.js';
import { devTour } from './dev-and-nodma.js';
import { fairTour } from './fair-scheduling.js';
import { iommuTour } from './one-dma.js';
import { plainTour } from './plain-dma.js';
import { strategiesTour } from './strategies.js';
import type { Tour } from './tour.js';

/** The tours, in the order in which one builds on another. */
export const TOURS: readonly Tour[] = [plainTour, devTour, iommuTour, strategiesTour, cdnaTour, fairTour];

/** The tour of an id, or undefined. */
export function tourOf(id: string): Tour | undefined {
  return TOURS.find((tour) => tour.id === id);
}
