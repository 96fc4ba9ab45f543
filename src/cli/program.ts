import { Command, CommanderError } from 'commander';
import { UserError } from '../../scheduler/errors.js';
import { packageVersion } from '../scenario/package-folder.js';
import type { CliIo, ExitCode } from './cli-io.js';
import { COMMANDS, type CommandEntry } from './commands/index.js';
import { Interrupted } from './interruption.js';
import { visibleProgress, visibleText } from './visible-text.js';

/** Runs one command line and returns the exit code. Never throws. */
export async function runCli(args: readonly string[], terminal: CliIo): Promise<number> {
  // Names, paths and fields of files come from strangers: what they hold must not write to the terminal.
  const io: CliIo = {
    ...terminal,
    out: (text) => terminal.out(visibleText(text)),
    redraw:
      terminal.redraw === undefined
        ? undefined
        : (lines, text) => terminal.redraw?.(lines, visibleText(text)),
    err: (text) => terminal.err(visibleProgress(text)),
  };
  let exitCode: ExitCode = 0;
  const program = new Command('cdna-nic')
    .description('Guests, a multi-context NIC and the two gates in front of memory, in virtual time')
    .version(packageVersion(), '-V, --version', 'print the version')
    // Options behind the name of a command are that command's own, also where commands are within commands.
    .enablePositionalOptions()
    .showHelpAfterError('(cdna-nic --help, cdna-nic COMMAND --help)');
  for (const entry of COMMANDS) {
    addCommand(program, entry, io, (code) => {
      exitCode = code;
    });
  }
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command.exitOverride().configureOutput({ writeOut: io.out, writeErr: io.err });
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof Interrupted) {
      io.err(`${error.message}; ${error.left}\n`);
      return error.exitCode;
    }
    if (error instanceof UserError) {
      io.err(`${error.message}\n`);
      return 2;
    }
    // A defect of this program: its stack tells where.
    io.err(`this should not happen: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
    return 1;
  }
}

function addCommand(program: Command, entry: CommandEntry, io: CliIo, done: (code: ExitCode) => void): void {
  const command = program.command(entry.usage).description(entry.summary).enablePositionalOptions();
  for (const [flags, description] of entry.options) command.option(flags, description);
  if (entry.notes !== undefined) command.addHelpText('after', `\n${entry.notes}`);
  for (const inner of entry.commands ?? []) addCommand(command, inner, io, done);
  command.action(async (...given: unknown[]) => {
    // Commander hands over the arguments, then the options, then the command itself.
    const values = given.slice(0, -2) as (string | undefined)[];
    const options = given.at(-2) as Record<string, string | boolean | undefined>;
    const run = await entry.load();
    done(await run(values, options, io));
  });
}
