import type { CliIo, ExitCode } from '../cli-io.js';

/** Options as they were given, by their long names in camel case. */
export type GivenOptions = Readonly<Record<string, string | boolean | undefined>>;

/** What a command does. */
export type CommandAction = (
  args: readonly (string | undefined)[],
  options: GivenOptions,
  io: CliIo,
) => Promise<ExitCode>;

/**
 * A command as the help text shows it. Its file holds this and little else: what does the work is imported by
 * `load`, so that `--help` does not wait for a simulator that it does not need.
 */
export interface CommandEntry {
  /** Name and arguments as commander reads them, e.g. `compare [scenario]`. */
  readonly usage: string;
  readonly summary: string;
  /** Flags and what each means. */
  readonly options: readonly (readonly [flags: string, meaning: string])[];
  /** Stands below the options. */
  readonly notes?: string;
  /** Commands of this one, such as `sweep report`. */
  readonly commands?: readonly CommandEntry[];
  readonly load: () => Promise<CommandAction>;
}
