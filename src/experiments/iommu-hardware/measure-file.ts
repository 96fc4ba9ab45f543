import { type IommuHardwareResult, reproduceIommuHardware } from './reproduce.js';
import { HardwareDataError } from './rows.js';

/** A result, or why the file cannot give one: between threads an error would lose its class. */
export type HardwareFileOutcome = { readonly result: IommuHardwareResult } | { readonly refused: string };

/** Calibrates on one file and emulates its rows. */
export function measureHardwareFile(file: {
  readonly dataPath: string;
  readonly seed: number;
}): HardwareFileOutcome {
  try {
    return { result: reproduceIommuHardware(file) };
  } catch (error) {
    if (error instanceof HardwareDataError) return { refused: error.message };
    throw error;
  }
}
