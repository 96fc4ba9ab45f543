import { HardwareDataError } from './hardware-data-error.js';

/** A CSV file with a header line, whose cells are read by column and refused by line, field, value and what was expected. */
export class CsvTable<Column extends string> {
  readonly #source: string;
  readonly #header: readonly string[];
  readonly #lines: readonly string[];

  /** @param source name of the file, for errors. @throws HardwareDataError if a column is missing */
  constructor(text: string, source: string, columns: readonly Column[]) {
    this.#source = source;
    this.#lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
    const first = this.#lines[0] ?? '';
    this.#header = first.split(',').map((name) => name.trim());
    for (const name of columns) {
      if (this.#header.includes(name)) continue;
      throw new HardwareDataError(
        `${source}: no column ${name} in "${first}", expected ${columns.join(', ')}`,
      );
    }
  }

  has(column: string): boolean {
    return this.#header.includes(column);
  }

  /** The lines that are not empty. @throws HardwareDataError for one that has not as many cells as the header */
  *lines(): Generator<CsvLine> {
    for (let index = 1; index < this.#lines.length; index += 1) {
      const line = this.#lines[index] ?? '';
      if (line.trim() === '') continue;
      const cells = line.split(',').map((cell) => cell.trim());
      const place = `${this.#source} line ${index + 1}`;
      if (cells.length !== this.#header.length) {
        throw new HardwareDataError(`${place}: ${cells.length} cells, expected ${this.#header.length}`);
      }
      yield new CsvLine(place, this.#header, cells);
    }
  }
}

/** One line. Each method reads a cell as what it should be. @throws HardwareDataError if it is something else */
class CsvLine {
  readonly #place: string;
  readonly #header: readonly string[];
  readonly #cells: readonly string[];

  constructor(place: string, header: readonly string[], cells: readonly string[]) {
    this.#place = place;
    this.#header = header;
    this.#cells = cells;
  }

  text(column: string): string {
    return this.#cells[this.#header.indexOf(column)] ?? '';
  }

  name(column: string): string {
    const value = this.text(column);
    return /^[\w-]+$/.test(value) ? value : this.#refuse(column, 'a name, such as hwarm or cold');
  }

  oneOf<Value extends string>(column: string, values: readonly Value[]): Value {
    const text = this.text(column);
    const last = values.at(-1);
    return (
      values.find((value) => value === text) ??
      this.#refuse(column, `${values.slice(0, -1).join(', ')} or ${last}`)
    );
  }

  number(column: string, least: number, most: number): number {
    const text = this.text(column);
    const value = text === '' ? Number.NaN : Number(text);
    return value >= least && value <= most
      ? value
      : this.#refuse(column, `a number from ${least} to ${most}`);
  }

  whole(column: string, least: number, most: number): number {
    const text = this.text(column);
    const value = text === '' ? Number.NaN : Number(text);
    return Number.isInteger(value) && value >= least && value <= most
      ? value
      : this.#refuse(column, `a whole number from ${least} to ${most}`);
  }

  #refuse(column: string, expected: string): never {
    throw new HardwareDataError(`${this.#place}: ${column} is "${this.text(column)}", expected ${expected}`);
  }
}
