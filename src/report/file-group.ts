import { AtomicFile } from './atomic-file.js';

/** Files that appear together, when all of them are whole; or none does. */
export class FileGroup {
  readonly #files: AtomicFile[] = [];

  /** Starts one more file. @throws OutputFileError */
  open(path: string): AtomicFile {
    const file = new AtomicFile(path);
    this.#files.push(file);
    return file;
  }

  /** Puts all files in their places; returns their paths. @throws OutputFileError */
  commit(): string[] {
    for (const file of this.#files) file.seal();
    for (const file of this.#files) file.commit();
    return this.#files.map(({ path }) => path);
  }

  /**
   * Leaves nothing of files that are not in their places, and removes those that were new there. A file that stood
   * there before keeps its new content.
   */
  withdraw(): void {
    for (const file of this.#files) {
      file.abort();
      file.withdraw();
    }
  }
}
