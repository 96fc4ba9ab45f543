import { resolve } from 'node:path';
import { readCapture } from '../../guests/capture/index.js';
import type { TrafficSpec } from '../scenario/schema.js';
import { type CaptureStore, captureKey } from './traffic.js';

/**
 * Reads the captures that a scenario names, before anything runs: of each as much as a run of `durationNs` plays.
 * @throws CaptureError
 */
export async function readCaptures(
  specs: readonly TrafficSpec[],
  directory: string,
  durationNs: number = Number.POSITIVE_INFINITY,
): Promise<CaptureStore> {
  const wanted = new Map<string, { readonly keys: Set<string>; untilNs: number }>();
  for (const spec of specs) {
    if (spec.kind !== 'replay') continue;
    const path = resolve(directory, spec.capture);
    // One that is played in a loop is played to its end, and the pause counts from there.
    const untilNs = spec.loop
      ? Number.POSITIVE_INFINITY
      : Math.max(0, durationNs - (spec.startNs ?? 0)) / spec.timeFactor;
    const entry = wanted.get(path) ?? { keys: new Set(), untilNs: 0 };
    entry.keys.add(captureKey(directory, spec.capture));
    entry.untilNs = Math.max(entry.untilNs, untilNs);
    wanted.set(path, entry);
  }
  const store: CaptureStore = new Map();
  for (const [path, { keys, untilNs }] of wanted) {
    const capture = readCapture(path, { untilNs });
    for (const key of keys) store.set(key, capture);
  }
  return store;
}
