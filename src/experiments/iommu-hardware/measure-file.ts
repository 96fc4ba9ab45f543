import { HardwareDataError } from './hardware-data-error.js';
import { type IommuHardwareOptions, type IommuHardwareResult, reproduceIommuHardware } from './reproduce.js';

/** A result, or why the files cannot give one: between threads an error would lose its class. */
export type HardwareFileOutcome = { readonly result: IommuHardwareResult } | { readonly refused: string };

/** Calibrates on the files of one machine and emulates their rows. */
export function measureHardwareFile(files: IommuHardwareOptions): HardwareFileOutcome {
  try {
    return { result: reproduceIommuHardware(files) };
  } catch (error) {
    if (error instanceof HardwareDataError) return { refused: error.message };
    throw error;
  }
}
