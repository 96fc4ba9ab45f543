import { describe, expect, test } from 'vitest';
import { MODEL_VERSION } from '../../src/machine/model-version.js';
import {
  digestOf,
  readModelRecord,
  readStoredTable,
  runStored,
  STORED_APPROACHES,
  STORED_DISCIPLINES,
  STORED_SCENARIOS,
} from '../support/stored-results.js';
import { turnOf } from '../support/whole.js';

// Made at 00dcd34. A change that is not meant to move a result leaves the table as it is; one that is stores it
// anew (`npm run store:results`) and says why; where fingerprints stay and reports alone move, test/fixtures/model-version.json
// has the reasons. `npm test` runs every approach in one of the six scenarios; `npm run
// test:all` runs all, and the rows of the other disciplines, which are in stored-results.long.test.ts.
const [discipline] = STORED_DISCIPLINES;

const scenarios = STORED_SCENARIOS.map((scenario, turn) => ({ ...scenario, turn }));

describe.each(scenarios)('$path comes to what is stored', ({ path, durationNs, turn }) => {
  const stored = readStoredTable()[path] ?? {};

  test.each(turnOf(STORED_APPROACHES, turn, STORED_SCENARIOS.length))('under %s', async (approach) => {
    expect(await runStored(path, approach, discipline, durationNs)).toEqual(
      stored[`${approach} ${discipline}`],
    );
  });

  test('and has a row for each approach and discipline', () => {
    expect(Object.keys(stored)).toHaveLength(STORED_APPROACHES.length * STORED_DISCIPLINES.length);
  });
});

test('the model version is the one of the stored table, which did not change without it', () => {
  const { version, digest, reports } = readModelRecord();
  expect({ version: MODEL_VERSION, digest: digestOf(readStoredTable()) }).toEqual({ version, digest });
  for (const reason of reports) expect(reason.length).toBeGreaterThan(20);
});
