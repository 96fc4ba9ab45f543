/** What may happen on a virtual link. */
export type LinkEvent = 'join' | 'leave' | 'arrive' | 'ring' | 'grant' | 'withdraw';

interface Entry {
  readonly atNs: number;
  readonly event: LinkEvent;
  readonly context: number;
  /** Bytes of a frame, or the weight of a context that joins. */
  readonly value: number;
}

const MARKS: Record<LinkEvent, string> = {
  join: 'joins w=',
  leave: 'leaves',
  arrive: '+',
  ring: 'rings again',
  grant: '> ',
  withdraw: 'withdrawn',
};

/** What happened on a virtual link, for people to read: one column per context, time running downwards. */
export class Timeline {
  readonly #entries: Entry[] = [];

  note(atNs: number, event: LinkEvent, context: number, value = 0): void {
    this.#entries.push({ atNs, event, context, value });
  }

  /** Grants so far. */
  get grants(): number {
    return this.#entries.filter((entry) => entry.event === 'grant').length;
  }

  /** The last `maxLines` lines. Arrivals of one context at one instant share a line. */
  print(maxLines = 48): string {
    // A context that joins and does nothing else is left out.
    const active = this.#entries.filter((entry) => entry.event !== 'join');
    const told = active.length > 0 ? active : this.#entries;
    const contexts = [...new Set(told.map((entry) => entry.context))].sort((a, b) => a - b);
    const rows: { atNs: number; context: number; event: LinkEvent; text: string }[] = [];
    for (const { atNs, event, context, value } of this.#entries) {
      if (!contexts.includes(context)) continue;
      const last = rows.at(-1);
      const text = MARKS[event] + (value > 0 ? `${value}` : '');
      if (event === 'arrive' && last?.event === 'arrive' && last.atNs === atNs && last.context === context) {
        last.text += ` ${text}`;
      } else {
        rows.push({ atNs, context, event, text });
      }
    }
    const shown = rows.slice(-maxLines);
    for (const row of shown) row.text = row.text.length > 40 ? `${row.text.slice(0, 37)}...` : row.text;
    const widths = contexts.map((context) =>
      Math.max(10, ...shown.filter((row) => row.context === context).map((row) => row.text.length)),
    );
    const line = (time: string, cells: string[]) =>
      [time.padStart(12), ...cells.map((cell, index) => cell.padEnd(widths[index] ?? 0))]
        .join('  ')
        .trimEnd();
    const lines = [
      '+n: a frame of n bytes arrives, > n: it is granted',
      line(
        'ns',
        contexts.map((context) => `context ${context}`),
      ),
    ];
    if (shown.length < rows.length) lines.push(`... ${rows.length - shown.length} earlier lines`);
    for (const { atNs, context, text } of shown) {
      lines.push(
        line(
          `${atNs}`,
          contexts.map((column) => (column === context ? text : '')),
        ),
      );
    }
    return lines.join('\n');
  }
}
