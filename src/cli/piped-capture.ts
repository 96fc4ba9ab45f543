import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CliIo, type ExitCode, UsageError } from './cli-io.js';
import type { GivenOptions } from './commands/entry.js';

/**
 * A capture for standard output, `--pcapng -`: it is written to a file out of sight, since a capture is whole or not
 * there, and copied when the run is over. What else would go to standard output goes to standard error.
 */
class PipedCapture {
  readonly #folder: string;
  readonly #io: CliIo;

  /** @throws UsageError when standard output is asked for twice, or cannot take bytes. */
  constructor(options: GivenOptions, io: CliIo) {
    if (options.json === true)
      throw new UsageError('--pcapng is "-" beside --json, expected one of them: both go to standard output');
    this.#io = io;
    this.#folder = mkdtempSync(join(tmpdir(), 'cdna-nic-capture-'));
  }

  /** Where the run writes the capture. */
  get path(): string {
    return join(this.#folder, 'capture.pcapng');
  }

  /** What is said beside the capture. */
  get io(): CliIo {
    const out = (text: string) =>
      this.#io.err(
        text.replaceAll(`--pcapng ${this.path}`, '--pcapng -').replaceAll(this.path, 'standard output'),
      );
    return { ...this.#io, out };
  }

  /** Copies the capture to standard output. */
  async copy(): Promise<void> {
    const { bytes } = this.#io;
    for await (const chunk of createReadStream(this.path)) bytes?.(chunk as Uint8Array);
  }

  /** Leaves nothing. */
  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Runs a command whose capture may go to standard output. */
export async function pipingCapture(
  options: GivenOptions,
  io: CliIo,
  run: (options: GivenOptions, io: CliIo) => Promise<ExitCode>,
): Promise<ExitCode> {
  if (options.pcapng !== '-') return run(options, io);
  const piped = new PipedCapture(options, io);
  try {
    const code = await run({ ...options, pcapng: piped.path }, piped.io);
    await piped.copy();
    return code;
  } finally {
    piped.close();
  }
}
