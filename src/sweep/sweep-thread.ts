import { doJob } from './do-job.js';

/** What a thread of a sweep runs. */
export default doJob;
