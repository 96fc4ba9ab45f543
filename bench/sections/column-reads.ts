import { present } from 'cdna-nic/scheduler';
import { timingColumns } from '../measure.js';
import type { Section } from '../section.js';

const CELLS = 1024;

/** One column of each kind that the packet path keeps: more than an inline cache of the engine tells apart. */
const INT32 = new Int32Array(CELLS);
const UINT32 = new Uint32Array(CELLS);
const UINT16 = new Uint16Array(CELLS);
const UINT8 = new Uint8Array(CELLS);
const FLOAT64 = new Float64Array(CELLS);

/** The other way to write `present`: all loads of the program share one place in the code. */
function at(column: { readonly [index: number]: number }, index: number): number {
  const value = column[index];
  if (value === undefined) throw new RangeError(`there is no cell ${index}`);
  return value;
}

/** Written to by every loop, so that none is removed as useless. */
const SUM = new Float64Array(1);

function withDefault(operations: number): undefined {
  let sum = 0;
  for (let step = 0; step < operations; step += 1) {
    const cell = step % CELLS;
    sum +=
      (INT32[cell] ?? 0) +
      (UINT32[cell] ?? 0) +
      (UINT16[cell] ?? 0) +
      (UINT8[cell] ?? 0) +
      (FLOAT64[cell] ?? 0);
  }
  SUM[0] = sum;
}

function withPresent(operations: number): undefined {
  let sum = 0;
  for (let step = 0; step < operations; step += 1) {
    const cell = step % CELLS;
    sum +=
      present(INT32[cell]) +
      present(UINT32[cell]) +
      present(UINT16[cell]) +
      present(UINT8[cell]) +
      present(FLOAT64[cell]);
  }
  SUM[0] = sum;
}

function withShared(operations: number): undefined {
  let sum = 0;
  for (let step = 0; step < operations; step += 1) {
    const cell = step % CELLS;
    sum += at(INT32, cell) + at(UINT32, cell) + at(UINT16, cell) + at(UINT8, cell) + at(FLOAT64, cell);
  }
  SUM[0] = sum;
}

/** The cost of making a read beyond a column fail instead of returning 0. An operation reads five columns. */
export const columnReads: Section = {
  name: 'column-reads',
  title: 'Reading typed arrays of five kinds, one cell of each per operation',
  run({ stopwatch }) {
    const ways = [
      ['column[index] ?? 0', withDefault],
      ['present(column[index])', withPresent],
      ['a shared at(column, index)', withShared],
    ] as const;
    return ways.map(([way, run]) => ({
      way,
      ...timingColumns(stopwatch.time(run, { operations: 5_000_000 })),
    }));
  },
};
