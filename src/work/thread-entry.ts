/**
 * The module that a thread runs. From the sources it registers a loader first, which a thread does not inherit. A bundle
 * has its own in the place of this file.
 */
export const THREAD_ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? './task-thread-from-source.mjs' : './task-thread.js',
  import.meta.url,
);
