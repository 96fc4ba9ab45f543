import { join, parse } from 'node:path';
import type { Machine } from '../machine/machine.js';
import { AtomicFile } from '../report/atomic-file.js';
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
  readonly writer: { close(): void; abort(): void };
}

/**
 * The files of one call: captures and timelines a run, and the document. They grow out of sight; `commit` puts
 * them in their places, `abort` leaves nothing, not even a folder that was made for them.
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

  /** Watches a machine before it runs. Returns what to call when it has run. */
  watch(approach: string, machine: Machine): () => void {
    const { out, pcapng, trace, snapBytes, traceNs, discipline, seed, loaded } = this.#request;
    const ends: (() => void)[] = [];
    const fileName = approach.replaceAll(/[:+]/gu, '-');
    const captures = [
      ...(pcapng === undefined ? [] : [this.#pathOf(pcapng, fileName)]),
      ...(out === undefined ? [] : [join(out, `${fileName}.pcapng`)]),
    ];
    for (const path of captures) {
      const capture = new RunCapture(path, machine, snapBytes);
      this.#pending.push({ kind: 'captures (Wireshark)', path, writer: capture });
      ends.push(() => capture.finish());
    }
    const traces = [
      ...(trace === undefined ? [] : [this.#pathOf(trace, fileName)]),
      ...(out === undefined ? [] : [join(out, `${fileName}.pftrace`)]),
    ];
    for (const path of traces) {
      const about = { protection: approach, discipline, seed, scenario: loaded.source };
      const timeline = new RunTrace(path, machine, traceNs, about);
      this.#pending.push({ kind: 'timelines (ui.perfetto.dev)', path, writer: timeline });
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
    for (const { writer } of this.#pending) writer.close();
    return this.#pending.map(({ kind, path }) => ({ kind, path }));
  }

  abort(): void {
    for (const { writer } of this.#pending) writer.abort();
    this.#folder?.remove();
  }

  #report(kind: WrittenFile['kind'], extension: string, text: string): void {
    const { out, command } = this.#request;
    if (out === undefined) return;
    const file = new AtomicFile(join(out, `${command}.${extension}`));
    const writer = { close: () => file.commit(), abort: () => file.abort() };
    // Before the captures, of which there may be many.
    this.#pending.unshift({ kind, path: file.path, writer });
    file.text(text);
  }

  /** With several approaches the name of each goes before the extension. */
  #pathOf(path: string, fileName: string): string {
    if (this.#request.approaches.length === 1) return path;
    const { dir, name, ext } = parse(path);
    return join(dir, `${name}.${fileName}${ext}`);
  }
}
