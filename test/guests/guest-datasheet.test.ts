import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CALL_REGISTERS, PAGE_COUNTERS } from '../../guests/card/call-registers.js';
import { guestDatasheet } from '../../guests/card/guest-datasheet.js';

const path = new URL('../../docs/datasheet-guest.md', import.meta.url);

describe('docs/datasheet-guest.md', () => {
  it('is what the tables of the hypercall page say; `npm run docs:datasheet` writes it', () => {
    expect(readFileSync(path, 'utf8')).toBe(guestDatasheet());
  });

  it('has a row for every register and counter', () => {
    const lines = guestDatasheet().split('\n');
    for (const { name, meaning } of CALL_REGISTERS)
      expect(lines.some((line) => line.includes(`h | ${name} |`) && line.endsWith(`| ${meaning} |`))).toBe(
        true,
      );
    for (const { name } of PAGE_COUNTERS)
      expect(lines.filter((line) => line.endsWith(`h | ${name} |`))).toHaveLength(1);
  });
});
