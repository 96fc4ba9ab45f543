import type { LabPlan } from './plan.js';

/** What a shell is given to run a plan to a time: a scenario file, and the command that runs it. */
export interface TerminalCommand {
  readonly file: string;
  readonly json: string;
  /** Words of the command, behind the program. */
  readonly words: readonly string[];
  /** All of it, to be pasted into a POSIX shell. */
  readonly text: string;
}

/** Ends the text of the file; no line of JSON is it. */
const END = 'CDNA_NIC_LAB';

/**
 * The command line that runs a plan to `atNs` and prints the fingerprint that the lab has there. The lab counts a
 * warm-up as part of the run, so the command has none.
 */
export function terminalCommand(
  { scenario, approach, discipline, seed }: LabPlan,
  atNs: number,
): TerminalCommand {
  const file = 'lab.json';
  const json = `${JSON.stringify(scenario, null, 2)}\n`;
  const words = ['run', file, '--protection', approach, '--discipline', discipline, '--seed', String(seed)];
  words.push('--warm-up', '0', '--duration', `${Math.max(1, atNs)}ns`);
  const text = `cat > ${file} <<'${END}'\n${json}${END}\nnpx cdna-nic ${words.join(' ')}\n`;
  return { file, json, words, text };
}
