import { describe, expect, test } from 'vitest';
import {
  readStoredTable,
  runStored,
  STORED_APPROACHES,
  STORED_DISCIPLINES,
  STORED_SCENARIOS,
} from '../support/stored-results.js';

// Made at 00dcd34. A change that is not meant to move a result leaves the table as it is; one that is stores it
// anew (`npm run store:results`) and says why. `npm run test:all` runs every row, `npm test` those of drr.
const disciplines = process.env.CDNA_ALL === undefined ? STORED_DISCIPLINES.slice(0, 1) : STORED_DISCIPLINES;

describe.each(STORED_SCENARIOS)('$path comes to what is stored', ({ path, durationNs }) => {
  const stored = readStoredTable()[path] ?? {};

  test.each(STORED_APPROACHES)('under %s', async (approach) => {
    for (const discipline of disciplines) {
      const row = `${approach} ${discipline}`;
      expect({ [row]: await runStored(path, approach, discipline, durationNs) }).toEqual({
        [row]: stored[row],
      });
    }
  });

  test('and has a row for each approach and discipline', () => {
    expect(Object.keys(stored)).toHaveLength(STORED_APPROACHES.length * STORED_DISCIPLINES.length);
  });
});
