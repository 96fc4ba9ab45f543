import { join, parse } from 'node:path';
import type { Machine } from '../machine/machine.js';
import { AtomicFile } from '../report/atomic-file.js';
import { refuseForeignFiles } from '../report/foreign-file.js';
import { OutputFolder } from '../report/output-folder.js';
import { RunCapture } from '../report/run-capture.js';
import { RunTrace } from '../report/run-trace.js';
import type { RunRequest } from './run-request.js';

/** A file that is there now. */
export interface WrittenFile {
  readonly kind: 'report (HTML)' | 'report (JSON)' | 'captures (Wireshark)' | 'timelines (ui.perfetto.dev)';
  readonly path: string;
}

/** Something that is written while runs go on and appears when all is well. */
interface Pending extends WrittenFile {
  readonly writer: { seal(): void; abort(): void };
  readonly file: AtomicFile;
}

/**
 * The files of one call: captures and timelines a run, and the document. They grow out of sight; `commit` puts
 * them in their places, `abort` leaves nothing, not even a folder that was made for them.
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

  /** Watches a machine before it runs. Returns what to call when it has run. */
  watch(approach: string, machine: Machine): () => void {
    const { out, pcapng, trace, snapBytes, traceNs, discipline, seed, loaded } = this.#request;
    const ends: (() => void)[] = [];
    const fileName = fileNameOf(approach);
    const captures = [
      ...(pcapng === undefined ? [] : [this.#pathOf(pcapng, fileName)]),
      ...(out === undefined ? [] : [join(out, `${fileName}.pcapng`)]),
    ];
    for (const path of captures) {
      const capture = new RunCapture(path, machine, snapBytes);
      this.#pending.push({ kind: 'captures (Wireshark)', path, writer: capture, file: capture.file });
      ends.push(() => capture.finish());
    }
    const traces = [
      ...(trace === undefined ? [] : [this.#pathOf(trace, fileName)]),
      ...(out === undefined ? [] : [join(out, `${fileName}.pftrace`)]),
    ];
    for (const path of traces) {
      const about = { tool: 'cdna-nic', protection: approach, discipline, seed, scenario: loaded.source };
      const timeline = new RunTrace(path, machine, traceNs, about);
      this.#pending.push({
        kind: 'timelines (ui.perfetto.dev)',
        path,
        writer: timeline,
        file: timeline.file,
      });
      ends.push(() => timeline.finish());
    }
    return () => {
      for (const end of ends) end();
    };
  }

  /** Writes the document, if a folder was asked for. */
  document(text: string): void {
    this.#report('report (JSON)', 'json', text);
  }

  /** Writes the report for people, likewise. */
  page(text: string): void {
    this.#report('report (HTML)', 'html', text);
  }

  /** Puts every file in its place; paths are as the user would write them. */
  commit(): WrittenFile[] {
    for (const { writer } of this.#pending) writer.seal();
    for (const { file } of this.#pending) file.commit();
    return this.#pending.map(({ kind, path }) => ({ kind, path }));
  }

  /** Whether all is well so far: what a writer meets inside of an observer is thrown here. @throws OutputFileError */
  check(): void {
    for (const { file } of this.#pending) if (file.failure !== undefined) throw file.failure;
  }

  /** Leaves nothing, also of files that got their place already and were new there. */
  abort(): void {
    for (const { writer, file } of this.#pending) {
      writer.abort();
      file.withdraw();
    }
    this.#folder?.remove();
  }

  #report(kind: WrittenFile['kind'], extension: string, text: string): void {
    const { out, command } = this.#request;
    if (out === undefined) return;
    const file = new AtomicFile(join(out, `${command}.${extension}`));
    const writer = { seal: () => file.seal(), abort: () => file.abort() };
    // Before the captures, of which there may be many.
    this.#pending.unshift({ kind, path: file.path, writer, file });
    file.text(text);
  }

  #refuseForeign(): void {
    const { out, pcapng, trace, command, approaches, force } = this.#request;
    const names = approaches.map(fileNameOf);
    for (const path of [pcapng, trace]) {
      if (path !== undefined)
        refuseForeignFiles(
          names.map((name) => this.#pathOf(path, name)),
          force,
        );
    }
    if (out === undefined) return;
    const written = names.flatMap((name) => [`${name}.pcapng`, `${name}.trace.json`]);
    const all = [`${command}.json`, `${command}.html`, ...written];
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
