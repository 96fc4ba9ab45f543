import type { CommandEntry } from './entry.js';
import { JOBS_OPTION } from './jobs-option.js';
import { FURTHER_NOTE } from './run-options.js';

export const attackCommand: CommandEntry = {
  usage: 'attack',
  summary: 'play hostile guests and cards against every protection approach and print what got through',
  options: [
    ['--attacks <names>', 'attacks, with commas between them (default: all)'],
    ['--protection <names>', 'approaches, with commas between them; also modules: ./mine.ts (default: all)'],
    ['--explain <attack[,approach]>', 'say of one attack, or one cell, what happened and what was expected'],
    ['--seed <number>', 'seed of what is planted (default: 1)'],
    ['--out <dir>', 'write attack.json, and attack.html, an HTML report, into DIR'],
    JOBS_OPTION,
    ['--force', 'write over files that cdna-nic did not write'],
    ['--json', 'one JSON document on stdout, nothing else'],
  ],
  notes: `Each cell is a machine of its own with an attacker and a victim; its verdict is computed from what happened to
memory and wire. docs/threats.md says what each attack does and where the matrix differs from the literature.

${FURTHER_NOTE}

Of these, and of an approach of your own, nothing is expected: their cells say what happened.

Exit code: 0 fine, 1 a cell differs from what is expected and nothing explains it, 2 usage, 130 stopped
by Ctrl-C; nothing is written then.`,
  load: async () => (await import('../attack-action.js')).attackAction,
};
