import type { OutputFileError } from './output-file-error.js';

/** Where a file is until it has its place. Plain data: one thread may seal a file and another commit it. */
export interface SealedPaths {
  /** As the user named it. */
  readonly path: string;
  /** The file that is meant, behind links. */
  readonly target: string;
  /** Where it is until then, in the same folder. */
  readonly partial: string;
}

/**
 * A file that is there whole or not at all, as writers see it: on disk (`AtomicFile`), or in memory where there is no
 * disk. To write bytes: `offset = reserve(n)`, put up to n bytes into `buffer` from there, `advance(count)`.
 */
export interface OutputFile {
  /** What messages call it. */
  readonly path: string;
  readonly buffer: Uint8Array;
  readonly view: DataView;
  /** Why it will never be whole; undefined while all is well. */
  readonly failure: OutputFileError | undefined;
  /** Its names on disk, for what puts it in its place when it is sealed here; undefined in memory. */
  readonly paths: SealedPaths | undefined;
  reserve(bytes: number): number;
  advance(bytes: number): void;
  /** Ends the file, not yet in its place. @throws OutputFileError */
  seal(): void;
  /** Ends the file and puts it in its place. @throws OutputFileError */
  commit(): void;
  /** Leaves nothing behind. */
  abort(): void;
}
