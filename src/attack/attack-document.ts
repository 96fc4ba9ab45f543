import { type DocumentHead, jsonDocument } from '../report/json-document.js';
import { type Comparison, compareCell } from './compare-cell.js';
import type { Cell } from './matrix.js';

/** The document as it is printed; scenarios/attack-document.schema.json is made from this type. */
export interface AttackDocumentJson extends DocumentHead<'attack'> {
  readonly seed: number;
  /** One entry per attack and approach. */
  readonly cells: readonly Cell[];
  /** What was expected of the cells of which something is. */
  readonly expectations: readonly Comparison[];
}

/** The matrix as one JSON document. */
export function attackDocument(seed: number, cells: readonly Cell[]): string {
  const expectations = cells.map(compareCell).filter((comparison) => comparison !== undefined);
  return jsonDocument('attack', { seed, cells, expectations });
}
