import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AtomicFile, OutputFileError } from '../../../src/report/atomic-file.js';
import { OutputFolder } from '../../../src/report/output-folder.js';
import { runs } from '../../support/whole.js';
import { scratchFolder } from './scratch-folder.js';

const scratch = scratchFolder();

test('files appear with their text, and their paths are as the user wrote the folder', () => {
  const path = scratch.path('new/deep');
  const folder = new OutputFolder(path, ['a.json', 'b.html']);
  expect(readdirSync(path)).toEqual([]);
  const written = folder.write([
    { name: 'a.json', text: '{}' },
    { name: 'b.html', text: '<p>' },
  ]);
  expect(written).toEqual([join(path, 'a.json'), join(path, 'b.html')]);
  expect(written.map((file) => readFileSync(file, 'utf8'))).toEqual(['{}', '<p>']);
  folder.remove();
  expect(readdirSync(path)).toEqual(['a.json', 'b.html']);
});

test('only folders that it made are taken away, and only while they are empty', () => {
  mkdirSync(scratch.path('mine'));
  fc.assert(
    fc.property(fc.nat({ max: 4 }), fc.option(fc.nat({ max: 4 }), { nil: undefined }), (depth, occupied) => {
      const names = Array.from({ length: depth }, (_, index) => `f${index}`);
      const at = (count: number) => join(scratch.path('mine'), ...names.slice(0, count));
      const folder = new OutputFolder(at(depth));
      if (occupied !== undefined) writeFileSync(join(at(occupied), 'x'), '');
      folder.remove();
      // Of the chain of folders those stay that lead to the other file.
      const kept = Math.min(depth, occupied ?? 0);
      for (let count = 0; count <= depth; count++) expect(existsSync(at(count))).toBe(count <= kept);
      for (const name of readdirSync(scratch.path('mine'))) {
        rmSync(join(scratch.path('mine'), name), { recursive: true });
      }
    }),
    { numRuns: runs(60) },
  );
});

test.for([
  ['a path through a file', 'file/x', []],
  ['a file', 'file', ['a']],
  ['a folder where a file is to be', 'some', ['a', 'taken']],
] as const)('%s is refused at once, and nothing stays', ([_case, name, files]) => {
  writeFileSync(scratch.path('file'), '');
  mkdirSync(scratch.path('some/taken'), { recursive: true });
  const before = readdirSync(scratch.path('.'), { recursive: true });
  expect(() => new OutputFolder(scratch.path(name), files)).toThrow(OutputFileError);
  expect(readdirSync(scratch.path('.'), { recursive: true })).toEqual(before);
});

test('a file that does not get its place takes the new ones before it away', () => {
  const path = scratch.path('contested');
  mkdirSync(path);
  writeFileSync(join(path, 'old'), 'before, by cdna-nic');
  const folder = new OutputFolder(path, ['old', 'new', 'lost', 'last']);
  const texts = [
    { name: 'old', text: 'after' },
    { name: 'new', text: 'x' },
    { name: 'lost', text: 'x' },
    {
      name: 'last',
      // A folder of that name is made while files are written.
      get text() {
        mkdirSync(join(path, 'lost'), { recursive: true });
        return 'x';
      },
    },
  ];
  expect(() => folder.write(texts)).toThrow(/lost: cannot be written/u);
  expect(readdirSync(path).sort()).toEqual(['lost', 'old']);
  expect(readFileSync(join(path, 'old'), 'utf8')).toBe('after');
});

test('a sealed file is not in its place yet, and can still be withdrawn', () => {
  const path = scratch.path('sealed.txt');
  const given = new AtomicFile(path);
  given.text('one');
  given.seal();
  expect([given.isOpen, existsSync(path)]).toEqual([false, false]);
  expect(() => given.text('more')).toThrow('written to after its end');
  given.abort();
  expect(scratch.list().filter((name) => name.includes('sealed'))).toEqual([]);
  const kept = new AtomicFile(path);
  kept.text('two');
  kept.seal();
  kept.commit();
  expect(readFileSync(path, 'utf8')).toBe('two');
  expect(() => kept.commit()).toThrow('ended twice');
  const over = new AtomicFile(path);
  over.text('three');
  over.commit();
  over.withdraw();
  expect(readFileSync(path, 'utf8')).toBe('three');
  kept.withdraw();
  expect(existsSync(path)).toBe(false);
});
