import { type ContextId, NO_CONTEXT } from '../branded.js';
/** What may happen on a virtual link. */
export type LinkEvent = 'join' | 'leave' | 'arrive' | 'ring' | 'grant' | 'withdraw' | 'rate';

interface Entry {
  readonly atNs: number;
  readonly event: LinkEvent;
  /** NO_CONTEXT for what is about the link. */
  readonly context: ContextId;
  /** Bytes of a frame, the weight of a context that joins, or a rate of the link. */
  readonly value: number;
  /** How often in succession: frames of one size that arrive, or are granted, without anything between them. */
  times: number;
}

interface Row {
  readonly atNs: number;
  readonly context: ContextId;
  readonly event: LinkEvent;
  text: string;
}

const MARKS: Record<LinkEvent, string> = {
  join: 'joins w=',
  leave: 'leaves',
  arrive: '+',
  ring: 'rings again',
  grant: '> ',
  withdraw: 'withdrawn',
  rate: 'bits per second from here on: ',
};

/** Longest sequence of lines that is printed once with the number of its repetitions. */
const LONGEST_CYCLE = 12;

/**
 * What happened on a virtual link, for people to read: one column per context, time running downwards. Nothing is left
 * out: frames of one size in succession share an entry, and a sequence of lines that repeats is printed once with the
 * number of repetitions.
 */
export class Timeline {
  readonly #entries: Entry[] = [];
  #grants = 0;

  note(atNs: number, event: LinkEvent, context: ContextId, value = 0, times = 1): void {
    if (event === 'grant') this.#grants += times;
    const last = this.#entries.at(-1);
    if (
      last !== undefined &&
      last.event === event &&
      last.context === context &&
      last.value === value &&
      (event === 'grant' || (event === 'arrive' && last.atNs === atNs))
    ) {
      last.times += times;
      return;
    }
    this.#entries.push({ atNs, event, context, value, times });
  }

  /** Grants so far. */
  get grants(): number {
    return this.#grants;
  }

  /** All of it. Arrivals of one context at one instant share a line. */
  print(): string {
    const rows = this.#rows();
    const contexts = [...new Set(rows.map(({ context }) => context))]
      .filter((context) => context !== NO_CONTEXT)
      .sort((a, b) => a - b);
    const widths = contexts.map((context) =>
      Math.max(10, ...rows.map((row) => (row.context === context ? row.text.length : 0))),
    );
    const line = (time: string, cells: string[]) =>
      [time.padStart(12), ...cells.map((cell, index) => cell.padEnd(widths[index] ?? cell.length))]
        .join('  ')
        .trimEnd();
    const lines = [
      '+n: a frame of n bytes arrives, > n: it is granted',
      line(
        'ns',
        contexts.map((context) => `context ${context}`),
      ),
    ];
    const print = (row: Row) => {
      const cells = contexts.map((column) => (column === row.context ? row.text : ''));
      lines.push(row.context === NO_CONTEXT ? line(`${row.atNs}`, [row.text]) : line(`${row.atNs}`, cells));
    };
    for (let at = 0; at < rows.length; ) {
      const { length, repeats } = cycleAt(rows, at);
      for (const row of rows.slice(at, at + length)) print(row);
      at += length * repeats;
      const last = rows[at - 1];
      if (repeats > 1 && last !== undefined) {
        const what = length === 1 ? 'the line above' : `the ${length} lines above`;
        lines.push(`${'...'.padStart(12)}  ${what}, ${repeats} times in all, until ${last.atNs}`);
      }
    }
    return lines.join('\n');
  }

  #rows(): Row[] {
    // A context that joins and does nothing else is left out.
    const active = new Set(
      this.#entries.filter(({ event }) => event !== 'join' && event !== 'rate').map(({ context }) => context),
    );
    const rows: Row[] = [];
    for (const { atNs, event, context, value, times } of this.#entries) {
      if (active.size > 0 && !active.has(context) && event !== 'rate') continue;
      const last = rows.at(-1);
      const text = MARKS[event] + (value > 0 ? `${value}` : '') + (times > 1 ? ` x ${times}` : '');
      if (event === 'arrive' && last?.event === 'arrive' && last.atNs === atNs && last.context === context) {
        last.text += ` ${text}`;
      } else {
        rows.push({ atNs, context, event, text });
      }
    }
    return rows;
  }
}

/** The shortest sequence of lines at `at` that occurs three times or more in succession; otherwise that line alone. */
function cycleAt(rows: readonly Row[], at: number): { readonly length: number; readonly repeats: number } {
  const same = (left: number, right: number) => {
    const [a, b] = [rows[left], rows[right]];
    return a !== undefined && b !== undefined && a.context === b.context && a.text === b.text;
  };
  for (let length = 1; length <= LONGEST_CYCLE; length += 1) {
    let matching = 0;
    while (same(at + matching, at + length + matching)) matching += 1;
    const repeats = 1 + Math.floor(matching / length);
    if (repeats >= 3) return { length, repeats };
  }
  return { length: 1, repeats: 1 };
}
