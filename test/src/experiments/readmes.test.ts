import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { withAnswers, withResult } from '../../../src/experiment-docs/result-part.js';
import { EXPERIMENTS } from '../../../src/experiments/index.js';
import { readStored } from '../../../src/experiments/stored-result.js';

const textOf = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

test.for(EXPERIMENTS)(
  'the README of $name says what its stored result says: `npm run docs:experiments` writes it',
  (experiment) => {
    const readme = textOf(`src/experiments/${experiment.name}/README.md`);
    expect(readme).toBe(withResult(readme, experiment));
    expect(readme).toContain(experiment.present(readStored(experiment.storedUrl)).answer);
  },
);

test('docs/experiments.md has the answers of the stored results', () => {
  const document = textOf('docs/experiments.md');
  expect(document).toBe(withAnswers(document, EXPERIMENTS));
});

test('what a README lacks is not passed over', () => {
  const [experiment] = EXPERIMENTS;
  if (experiment === undefined) throw new Error('there are no experiments');
  expect(() => withResult('# no place for a result\n', experiment)).toThrow(
    'the document has no <!-- result:',
  );
});
