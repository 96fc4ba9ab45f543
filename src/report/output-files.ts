import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AtomicFile, OutputFileError } from './atomic-file.js';

/** A file by its name within a folder. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/**
 * Writes files into a folder, which is made if it is not there: all of them appear, or none. Returns their paths.
 * @throws OutputFileError
 */
export function writeTogether(folder: string, texts: readonly NamedText[]): string[] {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new OutputFileError(folder, cause instanceof Error ? cause.message : String(cause));
  }
  const files: AtomicFile[] = [];
  try {
    for (const { name, text } of texts) {
      const file = new AtomicFile(join(folder, name));
      files.push(file);
      file.text(text);
    }
    for (const file of files) file.commit();
  } catch (error) {
    for (const file of files) file.abort();
    throw error;
  }
  return files.map(({ path }) => path);
}
