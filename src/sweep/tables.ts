import { RUN_METRICS } from '../report/metrics/run-metrics.js';
import {
  ATTACK_COLUMNS,
  type CellValue,
  type Column,
  type ColumnType,
  GUEST_COLUMNS,
  POINT_COLUMN,
  RUN_COLUMNS,
  SETTING_COLUMNS,
} from './columns.js';
import type { Journal } from './journal.js';
import type { Outcome } from './outcome.js';
import type { Plan, PlannedRun } from './plan.js';
import { SweepError } from './sweep-error.js';
import { unitOf } from './units.js';

export type { CellValue, Column, ColumnType } from './columns.js';

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
    POINT_COLUMN,
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

function typeOf(values: readonly unknown[]): ColumnType {
  if (values.every((value) => typeof value === 'number')) return 'number';
  return values.every((value) => typeof value === 'boolean') ? 'boolean' : 'text';
}

function cellOf(value: unknown): CellValue {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
