import type { Balloon } from '../../host/balloon/balloon.js';
import { LatencyRecorder } from './latency.js';
import type { ReclaimResult } from './run-result.js';

/** What the balloon did, as a result shows it. */
export function balloonResult(balloon: Balloon | undefined): ReclaimResult | undefined {
  if (balloon === undefined) return undefined;
  const { asked, reclaimed, waiting, refused, reclaimNs } = balloon.report();
  const recorder = new LatencyRecorder();
  for (const ns of reclaimNs) recorder.record(ns);
  const { lateReads, lateWrites, proofs } = balloon.newOwner;
  return {
    asked,
    reclaimed,
    waiting,
    refused,
    reclaimNs: recorder.summary(),
    lateReads,
    lateWrites,
    damagedPages: balloon.newOwner.damagedPages().length,
    proofs,
  };
}
