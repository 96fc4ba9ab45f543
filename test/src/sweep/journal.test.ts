import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MODEL_VERSION } from '../../../src/machine/model-version.js';
import { Journal } from '../../../src/sweep/journal.js';
import { emptyFolder } from './study-lab.js';

const outcome = (text: string) => ({ error: text });

describe('a journal', () => {
  test('cut anywhere keeps every line that was whole, and takes the others again', () => {
    const folder = emptyFolder();
    const path = join(folder, 'journal.ndjson');
    const first = Journal.open(path);
    const keys = Array.from({ length: 8 }, (_, at) => `key${at}`);
    for (const key of keys) first.add(key, outcome(`ä ${key}`));
    first.close();
    const whole = readFileSync(path);
    const ends = [...whole.keys()].filter((at) => whole[at] === 10);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: whole.length }), (size) => {
        writeFileSync(path, whole);
        truncateSync(path, size);
        const again = Journal.open(path);
        expect(again.count).toBe(ends.filter((end) => end < size).length);
        for (const key of keys) again.add(key, outcome(`ä ${key}`));
        for (const key of keys) expect(again.outcome(key)).toEqual(outcome(`ä ${key}`));
        again.close();
        expect(readFileSync(path).equals(whole)).toBe(true);
      }),
    );
  });

  test('is open for one process at a time; a lock of a process that is gone is taken over', () => {
    const path = join(emptyFolder(), 'journal.ndjson');
    const journal = Journal.open(path);
    expect(() => Journal.open(path)).toThrow(`process ${process.pid} is at work on this study`);
    journal.close();
    expect(existsSync(`${path}.lock`)).toBe(false);
    writeFileSync(`${path}.lock`, '999999999\n');
    Journal.open(path).close();
  });

  test('does not use lines of another model version', () => {
    const path = join(emptyFolder(), 'journal.ndjson');
    writeFileSync(path, `${JSON.stringify({ key: 'a', model: MODEL_VERSION + 1, outcome: outcome('x') })}\n`);
    const journal = Journal.open(path);
    expect([journal.count, journal.otherVersions, journal.has('a')]).toEqual([0, 1, false]);
    journal.close();
  });

  test('that is something else is refused, and left as it is', () => {
    const path = join(emptyFolder(), 'journal.ndjson');
    writeFileSync(path, '');
    appendFileSync(path, 'not a journal\n');
    expect(() => Journal.open(path)).toThrow('byte 0 begins a line that is not JSON');
    expect(readFileSync(path, 'utf8')).toBe('not a journal\n');
    expect(existsSync(`${path}.lock`)).toBe(false);
  });
});
