import { jsonDocument } from '../report/json-document.js';
import { compareCell } from './expectations.js';
import type { Cell } from './matrix.js';

/** The matrix as one JSON document. */
export function attackDocument(seed: number, cells: readonly Cell[]): string {
  const expectations = cells.map(compareCell).filter((comparison) => comparison !== undefined);
  return jsonDocument('attack', { seed, cells, expectations });
}
