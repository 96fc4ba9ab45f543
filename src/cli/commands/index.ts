import { attackCommand } from './attack.js';
import { compareCommand } from './compare.js';
import type { CommandEntry } from './entry.js';
import { fairnessCommand } from './fairness.js';
import { labCommand } from './lab.js';
import { replayCommand } from './replay.js';
import { reproduceCommand } from './reproduce.js';
import { runCommand } from './run.js';
import { schemaCommand } from './schema.js';
import { serveCommand } from './serve.js';
import { sweepCommand } from './sweep.js';
import { tablesCommand } from './tables.js';
import { workerCommand } from './worker.js';

export type { CommandEntry } from './entry.js';

/** What the command line can do, in the order of the help text. A new command is a file here and a line below. */
export const COMMANDS: readonly CommandEntry[] = [
  compareCommand,
  runCommand,
  attackCommand,
  tablesCommand,
  reproduceCommand,
  fairnessCommand,
  labCommand,
  serveCommand,
  replayCommand,
  sweepCommand,
  workerCommand,
  schemaCommand,
];
