import type { RegisterDefinition } from './registers.js';

/** Registers as a table of Markdown. */
export function registerTable(registers: readonly RegisterDefinition[]): string {
  return table(
    ['Offset', 'Name', 'Access', 'Reset', 'Meaning'],
    registers.map(({ name, offset, access, reset, meaning }) => [
      hex(offset, 2),
      name,
      access,
      reset === 'as-built' ? 'as built' : reset > 0xffff ? hex(reset, 8) : number(reset),
      meaning,
    ]),
  );
}

/** Rows as a table of Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A number as a datasheet has it. */
export function hex(value: number, digits = 1): string {
  return `${value.toString(16).toUpperCase().padStart(digits, '0')}h`;
}

/** With commas between thousands, whatever the language of the machine. */
export function number(value: number): string {
  return Number.isInteger(value) ? value.toString().replace(/\B(?=(\d{3})+$)/g, ',') : value.toString();
}
