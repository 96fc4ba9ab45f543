import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AtomicFile, OutputFileError } from '../../../src/report/atomic-file.js';
import { runs } from '../../support/whole.js';
import { scratchFolder } from './scratch-folder.js';

const scratch = scratchFolder();

test('the file is there when it is committed and not before; what was there stays until then', () => {
  const path = scratch.path('a.txt');
  writeFileSync(path, 'old');
  const file = new AtomicFile(path);
  file.text('new');
  expect(readFileSync(path, 'utf8')).toBe('old');
  file.commit();
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(file.isOpen).toBe(false);
  file.abort();
  expect(readFileSync(path, 'utf8')).toBe('new');
  rmSync(path);
  expect(scratch.list()).toEqual([]);
});

test('an aborted file leaves nothing, however much was written', () => {
  const file = new AtomicFile(scratch.path('b.txt'), 64);
  file.text('x'.repeat(1000));
  expect(scratch.list()).toHaveLength(1);
  file.abort();
  file.abort();
  expect(scratch.list()).toEqual([]);
  expect(() => file.text('more')).toThrow(/written to after its end/);
  expect(() => file.commit()).toThrow(/ended twice/);
});

test('text of any length and script comes out as it went in, whatever the size of the buffer', () => {
  const path = scratch.path('c.txt');
  const text = fc.array(fc.string({ unit: 'binary', maxLength: 60 }), { maxLength: 10 });
  fc.assert(
    fc.property(text, fc.integer({ min: 12, max: 80 }), (pieces, bufferBytes) => {
      const file = new AtomicFile(path, bufferBytes);
      for (const piece of pieces) file.text(piece);
      file.commit();
      expect(readFileSync(path, 'utf8')).toBe(pieces.join(''));
    }),
    { numRuns: runs(100) },
  );
  rmSync(path);
});

test('a link is written through, not replaced', () => {
  const [target, link] = [scratch.path('target.txt'), scratch.path('link.txt')];
  writeFileSync(target, 'old');
  symlinkSync(target, link);
  const file = new AtomicFile(link);
  file.text('new');
  file.commit();
  expect(readFileSync(target, 'utf8')).toBe('new');
  rmSync(link);
  rmSync(target);
});

test.for([
  ['no-such-folder/x', /no-such-folder\/x: cannot be written: ENOENT: no such file or directory$/],
  ['file/x', /file\/x: cannot be written: ENOTDIR: not a directory$/],
  ['folder', /folder: cannot be written: it is there and not a regular file$/],
] as const)('%s is refused with path and reason', ([name, message]) => {
  mkdirSync(scratch.path('folder'), { recursive: true });
  writeFileSync(scratch.path('file'), '');
  expect(() => new AtomicFile(scratch.path(name))).toThrow(OutputFileError);
  expect(() => new AtomicFile(scratch.path(name))).toThrow(message);
});

test('a device is refused, since a rename would replace it', () => {
  expect(() => new AtomicFile('/dev/null')).toThrow(
    /\/dev\/null: cannot be written: it is there and not a regular/,
  );
});

test.skipIf(!existsSync('/dev/full'))('a disk that is full ends in an error and leaves nothing', () => {
  // A link under the temporary name sends the writes to the device that is always full.
  const path = scratch.path('full.txt');
  const probe = new AtomicFile(path);
  const temporary = scratch.list().find((name) => name.endsWith('.partial')) ?? '';
  probe.abort();
  const serial = Number(/-(\d+)\.partial$/.exec(temporary)?.[1]);
  symlinkSync('/dev/full', scratch.path(temporary.replace(`-${serial}.`, `-${serial + 1}.`)));
  const file = new AtomicFile(path, 64);
  // Bytes may come from inside of an observer, where nothing may be thrown: the failure is told where it is asked for.
  file.text('x'.repeat(200));
  file.text('y'.repeat(200));
  expect(file.failure?.message).toMatch(/full\.txt: cannot be written: ENOSPC/);
  expect(file.isOpen).toBe(false);
  expect(() => file.seal()).toThrow(/full\.txt: cannot be written: ENOSPC/);
  expect(() => file.commit()).toThrow(/full\.txt: cannot be written: ENOSPC/);
  file.abort();
  expect(scratch.list().filter((name) => name.includes('full'))).toEqual([]);
});
