import { describe, expect, test } from 'vitest';
import {
  readStoredTable,
  runStored,
  STORED_APPROACHES,
  STORED_DISCIPLINES,
  STORED_SCENARIOS,
} from '../support/stored-results.js';

// Every row that stored-results.test.ts leaves out.
const [, ...disciplines] = STORED_DISCIPLINES;

describe.each(STORED_SCENARIOS)('$path comes to what is stored', ({ path, durationNs }) => {
  const stored = readStoredTable()[path] ?? {};

  describe.each(disciplines)('with %s', (discipline) => {
    test.each(STORED_APPROACHES)('under %s', async (approach) => {
      expect(await runStored(path, approach, discipline, durationNs)).toEqual(
        stored[`${approach} ${discipline}`],
      );
    });
  });
});
