import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COMPOSITIONS, DISCIPLINES } from '../../../scheduler/disciplines/index.js';

const page = readFileSync(new URL('../../../docs/scheduling.md', import.meta.url), 'utf8');

describe('docs/scheduling.md', () => {
  it.each(DISCIPLINES.map((entry) => [entry.name, entry] as const))(
    'has the row of %s as in the catalogue',
    (_name, entry) => {
      const cells = [
        `\`${entry.name}\``,
        entry.meaning,
        entry.paper,
        entry.complexity,
        entry.fairness,
        entry.delay,
      ];
      expect(page).toContain(`| ${cells.join(' | ')} |`);
    },
  );

  it('has every composition', () => {
    for (const { form, meaning } of COMPOSITIONS) expect(page).toContain(`| \`${form}\` | ${meaning} |`);
  });
});
