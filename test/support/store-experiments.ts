import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { EXPERIMENTS } from '../../src/experiments/index.js';
import { reproduceDocument } from '../../src/experiments/reproduce-document.js';
import { STORED_SEED } from '../../src/experiments/stored-result.js';
import { makeWorkers } from '../../src/work/workers.js';

// Runs experiments and stores their results: `npm run store:experiments`, or with names behind `--` only those.
const names = process.argv.slice(2);
const unknown = names.find((name) => !EXPERIMENTS.some((experiment) => experiment.name === name));
if (unknown !== undefined) throw new Error(`there is no experiment ${unknown}`);
const threads = makeWorkers(availableParallelism());
try {
  for (const experiment of EXPERIMENTS) {
    if (names.length > 0 && !names.includes(experiment.name)) continue;
    const { result, stored } = await experiment.run({
      dataPath: undefined,
      seed: STORED_SEED,
      threads,
      progress: () => undefined,
    });
    writeFileSync(experiment.storedUrl, reproduceDocument([result]));
    process.stdout.write(`${experiment.name}: ${stored === 'same' ? 'as it was' : 'moved'}\n`);
  }
} finally {
  await threads.close();
}
