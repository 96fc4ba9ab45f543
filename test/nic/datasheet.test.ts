import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { datasheet } from '../../nic/datasheet.js';
import { MAILBOX_REGISTERS, MANAGEMENT_REGISTERS } from '../../nic/registers.js';

const path = new URL('../../docs/datasheet.md', import.meta.url);

describe('docs/datasheet.md', () => {
  it('is what the tables of the card say; `npm run docs:datasheet` writes it', () => {
    expect(readFileSync(path, 'utf8')).toBe(datasheet());
  });

  it('has a row for every register', () => {
    const lines = datasheet().split('\n');
    for (const { name, offset, meaning } of [...MAILBOX_REGISTERS, ...MANAGEMENT_REGISTERS]) {
      const start = `| ${offset.toString(16).toUpperCase().padStart(2, '0')}h | ${name} |`;
      expect(
        lines.some((line) => line.startsWith(start) && line.endsWith(`| ${meaning} |`)),
        name,
      ).toBe(true);
    }
  });

  it('has tables that are tables: no cell breaks its row', () => {
    const rows = datasheet().split('\n');
    let columns = 0;
    for (const row of rows) {
      if (!row.startsWith('|')) {
        columns = 0;
        continue;
      }
      const cells = row.split('|').length;
      if (columns === 0) columns = cells;
      expect(cells, row).toBe(columns);
    }
  });
});
