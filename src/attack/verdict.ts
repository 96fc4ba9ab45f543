import { counted } from '../../scheduler/counted.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import type { Observation, Service } from './observation.js';

/** How an attack ended, worst last. */
export const VERDICTS = [
  'not-applicable',
  'blocked-at-set-up',
  'blocked-at-access',
  'contained',
  'succeeded',
] as const;
export type Verdict = (typeof VERDICTS)[number];

/** The victim is served as it is owed while it gets at least so much of what it gets without the attack. */
export const SERVED = 0.9;

/** What the verdict rests on. */
export interface Evidence {
  /** One sentence. */
  readonly sentence: string;
  readonly facts?: Observation;
  /** The victim's service against that of the same machine left alone, 0 to 1 and a little more. */
  readonly servedShare?: number;
}

export interface Judgement {
  readonly verdict: Verdict;
  readonly evidence: Evidence;
}

/**
 * Judges a run by what happened. `succeeded`: bytes that were at stake changed or got out, frames were damaged or
 * forged, an interrupt of the attacker's reached the hypervisor, or the victim was not served. Otherwise the gate that stopped something gets the verdict: the access gate if a
 * DMA was denied; the set-up gate if a request was refused, the MMU stopped a store, a pinned page was withheld, or
 * the card refused a descriptor that had not been validated. `contained`: nothing stopped it, or only the card
 * itself, and only the attacker was the worse for it.
 *
 * @throws Error when the machine left alone did not serve the victim: then nothing can be said of its service
 */
export function judge(facts: Observation, quiet: Service): Judgement {
  if (!(quiet.sent > 0 && quiet.received > 0))
    throw new InvariantViolation(
      `the victim left alone sent ${quiet.sent} and received ${quiet.received} frames, expected some of both`,
    );
  const servedShare = Math.min(facts.service.sent / quiet.sent, facts.service.received / quiet.received);
  const evidence = (sentence: string) => ({ sentence, facts, servedShare });
  const harm = harmOf(facts, servedShare);
  if (harm !== undefined) return { verdict: 'succeeded', evidence: evidence(harm) };
  if (facts.deniedAccesses > 0) {
    const accesses = counted(facts.deniedAccesses, 'DMA access', 'DMA accesses');
    return { verdict: 'blocked-at-access', evidence: evidence(`${accesses} denied; not a byte moved.`) };
  }
  const stopped = stoppedAtSetUp(facts);
  if (stopped !== undefined) return { verdict: 'blocked-at-set-up', evidence: evidence(stopped) };
  return { verdict: 'contained', evidence: evidence(containment(facts, servedShare)) };
}

/** The judgement of an attack that cannot be played. */
export function notApplicable(reason: string): Judgement {
  return { verdict: 'not-applicable', evidence: { sentence: `${capital(reason)}.` } };
}

function harmOf(facts: Observation, servedShare: number): string | undefined {
  const [leak] = facts.leaked;
  const [change] = facts.changed;
  const parts: string[] = [];
  if (leak !== undefined) {
    const where =
      leak.to === 'wire' ? `left the port in ${counted(leak.frames, 'frame')}` : 'was read by the card';
    parts.push(`${leak.what} ${where}`);
  }
  if (change !== undefined) parts.push(`${counted(change.bytes, 'byte')} changed: ${change.what}`);
  if (facts.damagedFrames > 0) parts.push(`${counted(facts.damagedFrames, 'frame')} of the victim damaged`);
  if (facts.impostorFrames > 0)
    parts.push(`${counted(facts.impostorFrames, 'frame')} left in the victim’s name`);
  if (facts.strayMessages > 0)
    parts.push(`${counted(facts.strayMessages, 'interrupt message')} reached the hypervisor`);
  if (servedShare < SERVED) parts.push(`the victim was served ${percent(servedShare)} of what it is owed`);
  return parts.length === 0 ? undefined : `${capital(parts.join('; '))}.`;
}

function stoppedAtSetUp(facts: Observation): string | undefined {
  const parts: string[] = [];
  const refusals = Object.entries(facts.setUpRefusals);
  if (refusals.length > 0) parts.push(`refused at set-up (${refusals.map(([reason]) => reason).join(', ')})`);
  if (facts.pageFaults > 0) parts.push(`${counted(facts.pageFaults, 'store')} stopped by the MMU`);
  if (facts.withheldPages > 0) parts.push('the page stayed pinned and was not reassigned');
  if (facts.cardFaults[SEQUENCE_BREAK] !== undefined) parts.push('the card refused a stale sequence number');
  return parts.length === 0 ? undefined : `${capital(parts.join('; '))}.`;
}

function containment(facts: Observation, servedShare: number): string {
  const parts: string[] = [];
  const faults = Object.keys(facts.cardFaults);
  const drops = Object.entries(facts.drops);
  if (faults.length > 0) parts.push(`the card stopped the attacker’s context (${faults.join(', ')})`);
  if (drops.length > 0)
    parts.push(`frames were dropped (${drops.map(([reason, frames]) => `${frames} ${reason}`).join(', ')})`);
  if (parts.length === 0) parts.push('nothing stood in the way and nothing of the others was touched');
  return `${capital(parts.join('; '))}; the victim was served ${percent(servedShare)}.`;
}

/** CDNA's answer to descriptors that are not validated for now. */
const SEQUENCE_BREAK = 'sequence-break';

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
