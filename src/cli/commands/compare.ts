import type { CommandEntry } from './entry.js';
import { JOBS_OPTION } from './jobs-option.js';
import { FILE_NOTES, FURTHER_NOTE, RUN_OPTIONS } from './run-options.js';

export const compareCommand: CommandEntry = {
  usage: 'compare [scenario]',
  summary: 'run the same guests under several protection approaches and print them side by side',
  options: [
    ['--protection <names>', 'approaches, with commas between them (default: all)'],
    ...RUN_OPTIONS,
    ['--seeds <number>', 'run so many seeds, from --seed on: mean, 95 % interval and range of every figure'],
    ['--no-attacks', 'leave out which attacks get through'],
    JOBS_OPTION,
  ],
  notes: `Without a scenario: a voice call beside greedy guests (scenarios/voice-and-greedy.json).\n${FURTHER_NOTE}\n${FILE_NOTES}`,
  load: async () => (await import('../compare-action.js')).compareAction,
};
