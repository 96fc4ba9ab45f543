import { join, parse } from 'node:path';
import { InvariantViolation } from '../../scheduler/errors.js';
import { AtomicFile } from '../report/atomic-file.js';
import { refuseForeignFiles } from '../report/foreign-file.js';
import type { SealedPaths } from '../report/output-file.js';
import { OutputFolder } from '../report/output-folder.js';
import { APPROACHES_PAGE, ATTACK_PAGE } from '../report/page-names.js';
import { clearOwnPartials } from '../report/partial-files.js';
import { SealedFile } from '../report/sealed-file.js';
import type { RunRequest } from './run-request.js';

/** A file that is there now. */
export interface WrittenFile {
  readonly kind:
    | 'report (HTML)'
    | 'report (JSON)'
    | 'captures (Wireshark)'
    | 'timelines (ui.perfetto.dev)'
    | 'captures and a scenario that replays them';
  readonly path: string;
}

/** Something that is written under another name and appears when all is complete. */
interface Pending extends WrittenFile {
  /** Ends the file under its other name, so that what may fail for want of space has then not failed. */
  readonly seal: () => void;
  readonly commit: () => void;
  /** Leaves nothing, also of a file that got its place already and was new there. */
  readonly abort: () => void;
}

/** What files a call is to write, and of what. */
export interface OutputRequest
  extends Pick<RunRequest, 'out' | 'pcapng' | 'trace' | 'attacks' | 'approaches' | 'force'> {
  readonly command: RunRequest['command'] | 'replay';
}

/**
 * The files of one call: captures and timelines per run, and the documents. They are written under other names, captures and
 * timelines perhaps in other threads; `commit` puts them in their places, `abort` leaves nothing, not even a folder that was made
 * for them.
 */
export class RunOutputs {
  readonly #request: OutputRequest;
  readonly #pending: Pending[] = [];
  readonly #folder: OutputFolder | undefined;
  /** Whole files that runs have written, by the names that the user knows. */
  readonly #sealed = new Map<string, SealedFile>();

  /** @throws OutputFileError when the folder cannot be made, or a file of other origin is in a place. */
  constructor(request: OutputRequest) {
    this.#request = request;
    this.#refuseForeign();
    this.#folder = request.out === undefined ? undefined : new OutputFolder(request.out);
  }

  /** The captures and timelines that the run of an approach writes; it seals them, and `sealed` is told. */
  filesOf(approach: string): { readonly captures: readonly string[]; readonly traces: readonly string[] } {
    const { out, pcapng, trace } = this.#request;
    const fileName = fileNameOf(approach);
    const paths = (given: string | undefined, extension: string) => [
      ...new Set([
        ...(given === undefined ? [] : [this.#pathOf(given, fileName)]),
        ...(out === undefined ? [] : [join(out, `${fileName}.${extension}`)]),
      ]),
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

  /** Files that a run has written whole, in this thread or in another. */
  sealed(files: readonly SealedPaths[]): void {
    for (const paths of files) this.#sealed.set(paths.path, new SealedFile(paths));
  }

  /** A file that a run writes. */
  #expect(kind: WrittenFile['kind'], path: string): string {
    // Refuses at once what could not be written in the end.
    const probe = new AtomicFile(path, PROBE_BYTES);
    probe.abort();
    this.#pending.push({
      kind,
      path,
      seal: () => {
        if (!this.#sealed.has(path)) throw new InvariantViolation(`${path}: was not written`);
      },
      commit: () => this.#sealed.get(path)?.commit(),
      abort: () => {
        this.#sealed.get(path)?.withdraw();
        // Also of a thread that was ended while it wrote.
        clearOwnPartials(probe.paths.target);
      },
    });
    return path;
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
    const all = [
      `${command}.json`,
      `${command}.html`,
      ...(attacks ? [ATTACK_PAGE] : []),
      APPROACHES_PAGE,
      ...written,
    ];
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
