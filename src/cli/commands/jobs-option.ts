/** The option that every command with long work has. */
export const JOBS_OPTION: readonly [string, string] = [
  '--jobs <number>',
  'how many tasks run at once (default: one per core); results do not depend on it',
];
