import { GUEST_METRICS } from '../report/metrics/guest-metrics.js';
import { dataDictionary } from '../report/metrics/metric.js';
import { RUN_METRICS } from '../report/metrics/run-metrics.js';

/** What a column holds. A missing value is null in every kind. */
export type ColumnType = 'number' | 'integer' | 'text' | 'boolean';
export type CellValue = number | string | boolean | null;

/** A column of a table, as its data dictionary explains it. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly unit: string;
  readonly meaning: string;
}

/** Number of the combination of values that a row belongs to. */
export const POINT_COLUMN: Column = {
  name: 'point',
  type: 'integer',
  unit: '',
  meaning: 'Combination of values, from 0 in the order of the study',
};

export const SETTING_COLUMNS: readonly Column[] = [
  { name: 'seed', type: 'integer', unit: '', meaning: 'Seed of everything random in the run' },
  { name: 'approach', type: 'text', unit: '', meaning: 'How memory is protected from DMA' },
  { name: 'scheduler', type: 'text', unit: '', meaning: 'DMA scheduling discipline' },
  { name: 'warmUpNs', type: 'number', unit: 'ns', meaning: 'Virtual time that ran unmeasured' },
  { name: 'windowNs', type: 'number', unit: 'ns', meaning: 'Virtual time that was measured' },
];

const metricColumns = (metrics: Parameters<typeof dataDictionary>[0]): Column[] =>
  dataDictionary(metrics).map(({ id, unit, sentence }) => ({
    name: id,
    type: 'number',
    unit,
    meaning: sentence,
  }));

export const RUN_COLUMNS: readonly Column[] = [
  { name: 'key', type: 'text', unit: '', meaning: 'Hash of everything that decides the run' },
  { name: 'fingerprint', type: 'text', unit: '', meaning: 'Hash of everything that happened in it' },
  {
    name: 'error',
    type: 'text',
    unit: '',
    meaning: 'Why the run could not be done; metrics are then missing',
  },
  {
    name: 'violatedInvariants',
    type: 'text',
    unit: '',
    meaning:
      'Invariants that did not hold in the run: its metrics are not to be trusted; missing when all held',
  },
  ...metricColumns(RUN_METRICS as Parameters<typeof dataDictionary>[0]),
];

export const GUEST_COLUMNS: readonly Column[] = [
  { name: 'guest', type: 'text', unit: '', meaning: 'Name of the guest' },
  { name: 'guestWeight', type: 'number', unit: '', meaning: 'Its weight' },
  ...metricColumns(GUEST_METRICS as Parameters<typeof dataDictionary>[0]),
];

export const ATTACK_COLUMNS: readonly Column[] = [
  { name: 'attack', type: 'text', unit: '', meaning: 'Attack of the matrix (docs/threats.md)' },
  { name: 'verdict', type: 'text', unit: '', meaning: 'What came of it' },
];

/**
 * What `name` means in the tables of every study; undefined when it is free for a variable. Case makes no difference,
 * since it makes none to DuckDB and other databases that read the tables.
 */
export function takenColumn(name: string): Column | undefined {
  return TAKEN.get(name.toLowerCase());
}

const TAKEN: ReadonlyMap<string, Column> = new Map(
  [POINT_COLUMN, ...SETTING_COLUMNS, ...RUN_COLUMNS, ...GUEST_COLUMNS, ...ATTACK_COLUMNS].map((column) => [
    column.name.toLowerCase(),
    column,
  ]),
);
