import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { OutputFileError } from './output-file-error.js';

/** Every file that this tool writes names it near its beginning. */
const MARK = 'cdna-nic';
/** How far in: a page has its style sheet before its first words. */
const HEAD_BYTES = 1 << 16;

/**
 * Refuses to write over files that this tool did not write. Files that are written together count together: where one
 * of them is ours, the others are from the same run.
 * @throws OutputFileError that names the file
 */
export function refuseForeignFiles(paths: readonly string[], force: boolean): void {
  if (force) return;
  const there = paths.filter(isFilledFile);
  if (there.length === 0 || there.some(isOurs)) return;
  const [first = ''] = there;
  throw new OutputFileError(first, 'it is there and is no file of cdna-nic; --force writes over it');
}

/** Whether something is there that would be lost: what is no regular file is refused elsewhere, an empty one is no loss. */
function isFilledFile(path: string): boolean {
  try {
    const stats = statSync(path);
    return stats.isFile() && stats.size > 0;
  } catch {
    return false;
  }
}

function isOurs(path: string): boolean {
  try {
    const descriptor = openSync(path, 'r');
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      return head.subarray(0, readSync(descriptor, head)).includes(MARK);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return false;
  }
}
