import { dataDictionary } from '../report/metrics/metric.js';
import { GUEST_METRICS, RUN_METRICS } from '../report/metrics/run-metrics.js';
import type { Journal } from './journal.js';
import type { Outcome } from './outcome.js';
import type { Plan, PlannedRun } from './plan.js';
import { SweepError } from './sweep-error.js';
import { unitOf } from './units.js';

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

/** A tidy table: one row per observation, in the order of the study. */
export interface Table {
  readonly name: 'runs' | 'guests' | 'attacks';
  readonly columns: readonly Column[];
  readonly rows: () => Iterable<readonly CellValue[]>;
}

/** The tables of a study: a row per run, per (run, guest), and per (run, attack) where attacks were asked for. */
export function tablesOf(plan: Plan, seedCounts: readonly number[], journal: Journal): Table[] {
  const finished = function* (): Generator<{ readonly run: PlannedRun; readonly outcome: Outcome }> {
    for (const run of plan.runs(seedCounts)) {
      const outcome = journal.outcome(run.key);
      if (outcome === undefined) {
        throw new SweepError(`${journal.path}: run ${run.key} is missing, expected every run of the study`);
      }
      yield { run, outcome };
    }
  };
  const shared = [...pointColumns(plan), ...SETTING_COLUMNS];
  const tables: Table[] = [
    {
      name: 'runs',
      columns: [...shared, ...RUN_COLUMNS],
      *rows() {
        for (const { run, outcome } of finished()) {
          const isRun = 'values' in outcome;
          yield [
            ...settingsOf(run),
            run.key,
            isRun ? outcome.fingerprint : null,
            'error' in outcome ? outcome.error : null,
            isRun && outcome.violated !== undefined ? outcome.violated.join('; ') : null,
            ...(isRun ? outcome.values : RUN_METRICS.map(() => null)),
          ];
        }
      },
    },
    {
      name: 'guests',
      columns: [...shared, ...GUEST_COLUMNS],
      *rows() {
        for (const { run, outcome } of finished()) {
          if (!('values' in outcome)) continue;
          for (const { guest, weight, values } of outcome.guests) {
            yield [...settingsOf(run), guest, weight, ...values];
          }
        }
      },
    },
  ];
  if (plan.study.study.attacks === undefined) return tables;
  return [
    ...tables,
    {
      name: 'attacks',
      columns: [...shared, ...ATTACK_COLUMNS],
      *rows() {
        for (const run of plan.runs(seedCounts)) {
          const outcome = journal.outcome(plan.attacksOf(run)?.key ?? '');
          if (outcome === undefined || !('attacks' in outcome)) continue;
          for (const { attack, verdict } of outcome.attacks) yield [...settingsOf(run), attack, verdict];
        }
      },
    },
  ];
}

/** Every column of a study's tables once, by table: `dictionary.csv`. */
export function dictionaryTable(tables: readonly Table[]): Omit<Table, 'name'> {
  const text = (name: string, meaning: string): Column => ({ name, type: 'text', unit: '', meaning });
  return {
    columns: [
      text('table', 'Table of the column'),
      text('column', 'Its name'),
      text('type', 'What it holds'),
      text('unit', 'Unit of its values'),
      text('meaning', 'What it is'),
    ],
    *rows() {
      for (const table of tables) {
        for (const { name, type, unit, meaning } of table.columns) {
          yield [table.name, name, type, unit, meaning];
        }
      }
    },
  };
}

function pointColumns(plan: Plan): Column[] {
  return [
    {
      name: 'point',
      type: 'integer',
      unit: '',
      meaning: 'Combination of values, from 0 in the order of the study',
    },
    ...plan.variables.map(({ column, paths }, at): Column => {
      const values = plan.points.map((point) => point.values[at]);
      return {
        name: column,
        type: typeOf(values),
        unit: unitOf(paths[0] ?? ''),
        meaning: `What the study varies: ${paths.join(', ')}`,
      };
    }),
  ];
}

const SETTING_COLUMNS: readonly Column[] = [
  { name: 'seed', type: 'integer', unit: '', meaning: 'Seed of everything random in the run' },
  { name: 'approach', type: 'text', unit: '', meaning: 'How memory is protected from DMA' },
  { name: 'scheduler', type: 'text', unit: '', meaning: 'DMA scheduling discipline' },
  { name: 'warmUpNs', type: 'number', unit: 'ns', meaning: 'Virtual time that ran unmeasured' },
  { name: 'windowNs', type: 'number', unit: 'ns', meaning: 'Virtual time that was measured' },
];

function settingsOf({ point, seed, job: { scenario } }: PlannedRun): CellValue[] {
  return [
    point.index,
    ...point.values.map(cellOf),
    seed,
    scenario.protection,
    scenario.discipline,
    scenario.warmUpNs,
    scenario.durationNs,
  ];
}

const metricColumns = (metrics: Parameters<typeof dataDictionary>[0]): Column[] =>
  dataDictionary(metrics).map(({ id, unit, sentence }) => ({
    name: id,
    type: 'number',
    unit,
    meaning: sentence,
  }));

const RUN_COLUMNS: readonly Column[] = [
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

const GUEST_COLUMNS: readonly Column[] = [
  { name: 'guest', type: 'text', unit: '', meaning: 'Name of the guest' },
  { name: 'guestWeight', type: 'number', unit: '', meaning: 'Its weight' },
  ...metricColumns(GUEST_METRICS as Parameters<typeof dataDictionary>[0]),
];

const ATTACK_COLUMNS: readonly Column[] = [
  { name: 'attack', type: 'text', unit: '', meaning: 'Attack of the matrix (docs/threats.md)' },
  { name: 'verdict', type: 'text', unit: '', meaning: 'What came of it' },
];

function typeOf(values: readonly unknown[]): ColumnType {
  if (values.every((value) => typeof value === 'number')) return 'number';
  return values.every((value) => typeof value === 'boolean') ? 'boolean' : 'text';
}

function cellOf(value: unknown): CellValue {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
