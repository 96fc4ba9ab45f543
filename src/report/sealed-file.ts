import { existsSync, renameSync, rmSync } from 'node:fs';
import { InvariantViolation } from '../../scheduler/errors.js';
import type { SealedPaths } from './output-file.js';
import { OutputFileError } from './output-file-error.js';

/** A whole file that waits for its place. */
export class SealedFile {
  readonly #paths: SealedPaths;
  #isWaiting = true;
  /** In its place, where nothing was before. */
  #isNew = false;

  constructor(paths: SealedPaths) {
    this.#paths = paths;
  }

  /** Puts it in its place, over what may have been there. @throws OutputFileError */
  commit(): void {
    const { path, target, partial } = this.#paths;
    if (!this.#isWaiting) throw new InvariantViolation(`${path}: ended twice`);
    const isNew = !existsSync(target);
    try {
      renameSync(partial, target);
    } catch (cause) {
      this.remove();
      throw OutputFileError.of(path, cause);
    }
    this.#isWaiting = false;
    this.#isNew = isNew;
  }

  /** Removes it, if it still waits. */
  remove(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    rmSync(this.#paths.partial, { force: true });
  }

  /** Removes it from its place again, if nothing was there before. */
  withdraw(): void {
    if (!this.#isNew) return;
    this.#isNew = false;
    rmSync(this.#paths.target, { force: true });
  }
}
