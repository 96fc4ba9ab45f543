#!/usr/bin/env node
import { relative } from 'node:path';
import type { CliIo } from './cli-io.js';
import { runCli } from './program.js';

const entry = process.argv[1] ?? '';
const io: CliIo = {
  out: (text) => process.stdout.write(text),
  bytes: (chunk) => process.stdout.write(chunk),
  redraw:
    process.stdout.isTTY === true
      ? (lines, text) => process.stdout.write(lines === 0 ? text : `\u001b[${lines}A\u001b[J${text}`)
      : undefined,
  err: (text) => process.stderr.write(text),
  errIsTerminal: process.stderr.isTTY === true,
  columns: process.stdout.columns ?? 100,
  program: entry.endsWith('.ts') ? `npx tsx ${relative(process.cwd(), entry)}` : 'npx cdna-nic',
};

let outputFailed = false;
// A reader that has seen enough (`| head`) closes the pipe: not an error. Anything else is reported once.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' || outputFailed) return;
  outputFailed = true;
  process.stderr.write(`standard output cannot be written: ${error.message}\n`);
  process.exitCode = 2;
});
// There is nowhere left to report it.
process.stderr.on('error', () => undefined);

// Set, not called: what is on its way to a pipe still gets there.
const exitCode = await runCli(process.argv.slice(2), io);
process.exitCode = outputFailed ? 2 : exitCode;
