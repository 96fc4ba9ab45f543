import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, parse } from 'node:path';
import { AtomicFile } from '../report/atomic-file.js';
import { refuseForeignFiles } from '../report/foreign-file.js';
import { OutputFileError } from '../report/output-file-error.js';
import { OutputFolder } from '../report/output-folder.js';
import type { RunRequest } from './run-request.js';

/** A file that is there now. */
export interface WrittenFile {
  readonly kind: 'report (HTML)' | 'report (JSON)' | 'captures (Wireshark)' | 'timelines (ui.perfetto.dev)';
  readonly path: string;
}

/** Something that is written under another name and appears when all is complete. */
interface Pending extends WrittenFile {
  /** Its name while it grows, where that is another. */
  readonly growing?: string;
  /** Ends the file under its other name, so that what may fail for want of space has then not failed. */
  readonly seal: () => void;
  readonly commit: () => void;
  /** Leaves nothing, also of a file that got its place already and was new there. */
  readonly abort: () => void;
}

/**
 * The files of one call: captures and timelines per run, and the documents. They are written under other names, captures and
 * timelines perhaps in other threads; `commit` puts them in their places, `abort` leaves nothing, not even a folder that was made
 * for them.
 */
export class RunOutputs {
  readonly #request: RunRequest;
  readonly #pending: Pending[] = [];
  readonly #folder: OutputFolder | undefined;

  /** @throws OutputFileError when the folder cannot be made, or a file of other origin is in a place. */
  constructor(request: RunRequest) {
    this.#request = request;
    this.#refuseForeign();
    this.#folder = request.out === undefined ? undefined : new OutputFolder(request.out);
  }

  /** Where the run of an approach writes its captures and timelines: names that are not yet those of the user. */
  filesOf(approach: string): { readonly captures: readonly string[]; readonly traces: readonly string[] } {
    const { out, pcapng, trace } = this.#request;
    const fileName = fileNameOf(approach);
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
    this.#pending.unshift({
      kind,
      path: file.path,
      seal: () => file.seal(),
      commit: () => file.commit(),
      abort: () => {
        file.abort();
        file.withdraw();
      },
    });
    file.text(text);
  }

  /** Puts every file in its place; paths are as the user would write them. */
  commit(): WrittenFile[] {
    for (const { seal } of this.#pending) seal();
    for (const { commit } of this.#pending) commit();
    return this.#pending.map(({ kind, path }) => ({ kind, path }));
  }

  /** Leaves nothing, also of files that got their place already and were new there. */
  abort(): void {
    for (const { abort } of this.#pending) abort();
    this.#folder?.remove();
  }

  /** A message of a writer with the names that the user knows. */
  named(message: string): string {
    return this.#pending.reduce(
      (text, { path, growing }) => (growing === undefined ? text : text.replaceAll(growing, path)),
      message,
    );
  }

  /** A file that something else writes, whole, under the name that is returned. */
  #expect(kind: WrittenFile['kind'], path: string): string {
    // Refuses at once what could not be written in the end.
    const probe = new AtomicFile(path, PROBE_BYTES);
    probe.abort();
    // The extension stays: the format of a timeline follows from it.
    const growing = join(dirname(path), `.growing-${process.pid}.${basename(path)}`);
    let isNew = false;
    this.#pending.push({
      kind,
      path,
      growing,
      seal: () => undefined,
      commit: () => {
        try {
          const wasThere = existsSync(probe.target);
          renameSync(growing, probe.target);
          isNew = !wasThere;
        } catch (cause) {
          throw OutputFileError.of(path, cause);
        }
      },
      abort: () => {
        removeAll(growing);
        if (isNew) rmSync(probe.target, { force: true });
      },
    });
    return growing;
  }

  #refuseForeign(): void {
    const { out, pcapng, trace, command, attacks, approaches, force } = this.#request;
    const names = approaches.map(fileNameOf);
    for (const path of [pcapng, trace]) {
      if (path !== undefined)
        refuseForeignFiles(
          names.map((name) => this.#pathOf(path, name)),
          force,
        );
    }
    if (out === undefined) return;
    const written = names.flatMap((name) => [`${name}.pcapng`, `${name}.pftrace`]);
    const all = [`${command}.json`, `${command}.html`, ...(attacks ? ['attack.html'] : []), ...written];
    refuseForeignFiles(
      all.map((name) => join(out, name)),
      force,
    );
  }

  /** With several approaches the name of each goes before the extension. */
  #pathOf(path: string, fileName: string): string {
    if (this.#request.approaches.length === 1) return path;
    const { dir, name, ext } = parse(path);
    return join(dir, `${name}.${fileName}${ext}`);
  }
}

/** An approach as a part of a file's name; of a module's path the last part. */
function fileNameOf(approach: string): string {
  return parse(approach).name.replaceAll(/[:+]/gu, '-');
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
