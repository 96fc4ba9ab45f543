import type { CommandEntry } from './entry.js';
import { FILE_NOTES, FURTHER_NOTE, RUN_OPTIONS } from './run-options.js';

export const runCommand: CommandEntry = {
  usage: 'run [scenario]',
  summary: 'run a scenario under one protection approach and print what each guest got',
  options: [['--protection <name>', 'approach (default: the scenario, or cdna)'], ...RUN_OPTIONS],
  notes: `Without a scenario: a voice call beside greedy guests (scenarios/voice-and-greedy.json).\n${FURTHER_NOTE}\n${FILE_NOTES}`,
  load: async () => (await import('../run-action.js')).runAction,
};
