import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AtomicFile, OutputFileError } from './atomic-file.js';
import { FileGroup } from './file-group.js';
import { refuseForeignFiles } from './foreign-file.js';

/** A file by its name within a folder. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** A byte or two are enough to see that a file can be opened. */
const PROBE_BYTES = 16;

/**
 * A folder to write into, which is made if it is not there. Made before work begins, it refuses then what could not be
 * written in the end.
 */
export class OutputFolder {
  readonly path: string;
  readonly #made: string[] = [];

  /**
   * @param names of files that are to be written into it: each is tried
   * @param force whether files of other origin are written over
   * @throws OutputFileError when the folder cannot be made, or a file in it cannot be opened or is of other origin
   */
  constructor(path: string, names: readonly string[] = [], force = false) {
    this.path = path;
    refuseForeignFiles(
      names.map((name) => join(path, name)),
      force,
    );
    try {
      this.#make();
      for (const name of names) new AtomicFile(join(path, name), PROBE_BYTES).abort();
    } catch (cause) {
      this.remove();
      if (cause instanceof OutputFileError) throw cause;
      throw OutputFileError.of(path, cause);
    }
  }

  /**
   * Writes files that appear when all of them are whole. What may go wrong before that (no space, no permission)
   * leaves nothing. If a file then cannot be put in its place, those that were new are removed again; one that stood
   * there before has its new text.
   * @returns their paths
   * @throws OutputFileError
   */
  write(texts: readonly NamedText[]): string[] {
    const files = new FileGroup();
    try {
      for (const { name, text } of texts) files.open(join(this.path, name)).text(text);
      return files.commit();
    } catch (error) {
      files.withdraw();
      throw error;
    }
  }

  /** Removes the folders that were made for it, as long as they are empty. */
  remove(): void {
    for (const folder of this.#made.splice(0).reverse()) {
      try {
        rmdirSync(folder);
      } catch {
        // It is not empty.
        return;
      }
    }
  }

  #make(): void {
    const missing: string[] = [];
    let folder = this.path;
    while (!existsSync(folder) && folder !== dirname(folder)) {
      missing.push(folder);
      folder = dirname(folder);
    }
    // One by one: so that they can be removed again.
    for (const each of missing.reverse()) {
      mkdirSync(each);
      this.#made.push(each);
    }
  }
}
