import { counted } from '../../scheduler/counted.js';
import type { CaptureResult, RunResult } from '../machine/run-result.js';
import { whole } from './number-text.js';

/** What became of one capture, in a line. */
export function captureText({
  name,
  local,
  packets,
  frames,
  ofGuest,
  forGuest,
  bystanders,
  unfit,
  split,
  played,
}: CaptureResult): string {
  const parts = [
    `${counted(packets, 'packet')} read${packets === frames ? '' : `, of which ${counted(frames, 'is a frame', 'are frames')}`}`,
    `${whole(ofGuest)} of ${local} (the guest), ${whole(forGuest)} for it`,
    `${whole(bystanders)} of bystanders`,
    `${whole(unfit)} unfit${split === 0 ? '' : `, ${whole(split)} split`}`,
    `played ${whole(played.ofGuest)} and ${whole(played.forGuest)}`,
  ];
  return `${name}: ${parts.join('; ')}`;
}

/** Guests that replay a capture, and what became of it. */
export function replayedCaptures({
  guests,
}: RunResult): { readonly guest: string; readonly capture: CaptureResult }[] {
  return guests.flatMap(({ name, capture }) => (capture === undefined ? [] : [{ guest: name, capture }]));
}

/** What a user should know of the captures of a run: frames that were not played, a sentence for each capture. */
export function captureResultNotes(run: RunResult): string[] {
  const notes = replayedCaptures(run).flatMap(({ capture }) => {
    const { name, local, frames, bystanders, unfit } = capture;
    const left = [
      ...(bystanders === 0 ? [] : [`${whole(bystanders)} between other stations than ${local}`]),
      ...(unfit === 0 ? [] : [`${whole(unfit)} that no card carries`]),
    ];
    if (left.length === 0) return [];
    const way = bystanders === 0 ? '' : '; "local" or --local MAC makes another station the guest';
    return [`${name}: of ${counted(frames, 'frame')} some are not played: ${left.join(', ')}${way}`];
  });
  return [...new Set(notes)];
}
