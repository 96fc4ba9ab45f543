import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { CheckStatus } from '@stryker-mutator/api/check';
import { declareClassPlugin, PluginKind } from '@stryker-mutator/api/plugin';

/** One of so many mutants is drawn. */
const ONE_OF = wholeNumber('MUTATE_ONE_OF', 20);
const SEED = wholeNumber('MUTATE_SEED', 1);
/** A report of an earlier run: only what lived in it is drawn, to be held against further tests. */
const LIVED_IN = process.env.MUTATE_LIVED_IN;

function wholeNumber(name, otherwise) {
  const value = Number(process.env[name] ?? otherwise);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${name} is ${process.env[name]}, expected a whole number from 1 on`);
  return value;
}

/** A mutant's file, place and text: the same in every run over the same files. */
const nameOf = (file, { location: { start, end }, mutatorName, replacement }, first = 0) =>
  JSON.stringify([
    file,
    ...[start.line, start.column, end.line, end.column].map((at) => at - first),
    mutatorName,
    replacement,
  ]);

/** Reports count lines and columns from 1, mutants themselves from 0. */
const COUNTED_FROM = 1;

function survivorsOf(report) {
  const { files } = JSON.parse(readFileSync(report, 'utf8'));
  return new Set(
    Object.entries(files).flatMap(([file, { mutants }]) =>
      mutants
        .filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
        .map((mutant) => nameOf(file, mutant, COUNTED_FROM)),
    ),
  );
}

const survivors = LIVED_IN === undefined ? undefined : survivorsOf(LIVED_IN);

/** By the mutant's name alone, so that neither order nor the files beside it change the draw. */
function isDrawn(mutant) {
  const name = nameOf(relative(process.cwd(), mutant.fileName).replaceAll('\\', '/'), mutant);
  if (survivors !== undefined) return survivors.has(name);
  return createHash('sha256').update(`${SEED} ${name}`).digest().readUInt32BE(0) % ONE_OF === 0;
}

/**
 * Draws a sample: the score of whole folders in the time that a few files take. What is not drawn counts as not compiled, which
 * is neither noticed nor survived, and is not run.
 */
class Sample {
  async init() {}

  async check(mutants) {
    return Object.fromEntries(
      mutants.map((mutant) => [
        mutant.id,
        isDrawn(mutant)
          ? { status: CheckStatus.Passed }
          : { status: CheckStatus.CompileError, reason: 'not drawn' },
      ]),
    );
  }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.Checker, 'sample', Sample)];
