import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, parse } from 'node:path';
import { AtomicFile } from '../report/atomic-file.js';
import { OutputFileError } from '../report/output-file-error.js';
import { OutputFolder } from '../report/output-folder.js';
import type { RunRequest } from './run-request.js';

/** A file that is there now. */
export interface WrittenFile {
  readonly kind: 'report (HTML)' | 'report (JSON)' | 'captures (Wireshark)' | 'timelines (ui.perfetto.dev)';
  readonly path: string;
}

/** Something that grows out of sight and appears when all is well. */
interface Pending extends WrittenFile {
  readonly commit: () => void;
  readonly abort: () => void;
}

/**
 * The files of one call: captures and timelines per run, and the documents. They grow out of sight, captures and timelines
 * perhaps in other threads; `commit` puts them in their places, `abort` leaves nothing, not even a folder that was made
 * for them.
 */
export class RunOutputs {
  readonly #request: RunRequest;
  readonly #pending: Pending[] = [];
  readonly #folder: OutputFolder | undefined;

  /** @throws OutputFileError when the folder cannot be made. */
  constructor(request: RunRequest) {
    this.#request = request;
    this.#folder = request.out === undefined ? undefined : new OutputFolder(request.out);
  }

  /** Where the run of an approach writes its captures and timelines: names that are not yet those of the user. */
  filesOf(approach: string): { readonly captures: readonly string[]; readonly traces: readonly string[] } {
    const { out, pcapng, trace } = this.#request;
    const fileName = approach.replaceAll(/[:+/\\]/gu, '-');
    const paths = (given: string | undefined, extension: string) => [
      ...(given === undefined ? [] : [this.#pathOf(given, fileName)]),
      ...(out === undefined ? [] : [join(out, `${fileName}.${extension}`)]),
    ];
    return {
      captures: paths(pcapng, 'pcapng').map((path) => this.#expect('captures (Wireshark)', path)),
      traces: paths(trace, 'pftrace').map((path) => this.#expect('timelines (ui.perfetto.dev)', path)),
    };
  }

  /** Writes a document or a page beside the runs, if a folder was asked for. */
  report(kind: WrittenFile['kind'], name: string, text: string): void {
    const { out } = this.#request;
    if (out === undefined) return;
    const file = new AtomicFile(join(out, name));
    // Before the captures, of which there may be many.
    this.#pending.unshift({ kind, path: file.path, commit: () => file.commit(), abort: () => file.abort() });
    file.text(text);
  }

  /** Puts every file in its place; paths are as the user would write them. */
  commit(): WrittenFile[] {
    for (const { commit } of this.#pending) commit();
    return this.#pending.map(({ kind, path }) => ({ kind, path }));
  }

  abort(): void {
    for (const { abort } of this.#pending) abort();
    this.#folder?.remove();
  }

  /** A file that something else writes, whole, under the name that is returned. */
  #expect(kind: WrittenFile['kind'], path: string): string {
    // Refuses at once what could not be written in the end.
    const probe = new AtomicFile(path, PROBE_BYTES);
    probe.abort();
    // The extension stays: the format of a timeline follows from it.
    const growing = join(dirname(path), `.growing-${process.pid}.${basename(path)}`);
    this.#pending.push({
      kind,
      path,
      commit: () => {
        try {
          if (existsSync(growing)) renameSync(growing, probe.target);
        } catch (cause) {
          throw OutputFileError.of(path, cause);
        }
      },
      abort: () => removeAll(growing),
    });
    return growing;
  }

  /** With several approaches the name of each goes before the extension. */
  #pathOf(path: string, fileName: string): string {
    if (this.#request.approaches.length === 1) return path;
    const { dir, name, ext } = parse(path);
    return join(dir, `${name}.${fileName}${ext}`);
  }
}

const PROBE_BYTES = 16;

/** A file, and what a thread that was ended has left of it under names that begin with its own. */
function removeAll(path: string): void {
  const folder = dirname(path);
  if (!existsSync(folder)) return;
  const name = basename(path);
  for (const found of readdirSync(folder)) {
    if (found === name || (found.startsWith(`.${name}.`) && found.endsWith('.partial')))
      rmSync(join(folder, found), { force: true });
  }
}
