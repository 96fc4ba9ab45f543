import fc from 'fast-check';
import { config } from 'rxjs';
import { propertySeed } from './seed.js';
import { runs } from './whole.js';

fc.configureGlobal({ seed: propertySeed, numRuns: runs(200), endOnFailure: false });

// RxJS re-throws an observer's exception from a timer, where no test would see it. Here it fails the run.
config.onUnhandledError = (error) => {
  throw error;
};
