import type { CommandAction } from './commands/entry.js';
export const sweepReportAction: CommandAction = async () => 0;
