// A thread does not inherit the loader of the process that starts it: this registers it and goes on to the source.
import { register } from 'tsx/esm/api';

register();
const { default: runTask } = await import('./task-thread.ts');
export default runTask;
