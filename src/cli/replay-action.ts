import type { CommandAction } from './commands/entry.js';
export const replayAction: CommandAction = async () => 0;
