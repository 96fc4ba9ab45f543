import { requireRateBps } from '../checked-values.js';
import type { Share } from '../discipline.js';
import { ParameterError } from '../errors.js';

/** One step of a script. A step for a context that does not take part, or has nothing waiting, is skipped. */
export type Step =
  /** The context joins; if it takes part, it leaves first and rejoins with this share. */
  | { readonly step: 'join'; readonly context: number; readonly share: Share }
  | { readonly step: 'leave'; readonly context: number }
  /** `count` frames of `bytes` each arrive at once. */
  | { readonly step: 'arrive'; readonly context: number; readonly bytes: number; readonly count: number }
  /** The link takes some frames, back to back. */
  | { readonly step: 'serve'; readonly frames: number }
  /** The context sends single frames and is idle between them while the others continue: this would accumulate savings. */
  | { readonly step: 'comeAndGo'; readonly context: number; readonly bytes: number; readonly times: number }
  /** A frame arrives between `select` and `served`, as from inside a completion callback. */
  | { readonly step: 'serveWhileArriving'; readonly context: number; readonly bytes: number }
  /** Time passes; the link sends, and idles when nothing waits. */
  | { readonly step: 'pass'; readonly ns: number }
  /** A second doorbell, and calls of `select` around it, none of which may matter. */
  | { readonly step: 'ringAgain'; readonly context: number }
  /** The context loses its backlog: it faulted or was revoked. */
  | { readonly step: 'withdraw'; readonly context: number }
  /** The link has another rate, bits per second, as soon as the frame on it has passed. */
  | { readonly step: 'rate'; readonly bps: number };

/** What happens on a virtual link, as plain data: it can be written as JSON and played again. */
export interface Script {
  /** Instant at which the script begins, virtual ns. */
  readonly startNs: number;
  readonly steps: readonly Step[];
  /** Present in a long run: frames after which the long-run shares of the contexts that are backlogged are judged. */
  readonly longRunFrames?: number;
}

const FIELDS: Readonly<Record<Step['step'], readonly string[]>> = {
  join: ['context'],
  leave: ['context'],
  arrive: ['context', 'bytes', 'count'],
  serve: ['frames'],
  comeAndGo: ['context', 'bytes', 'times'],
  serveWhileArriving: ['context', 'bytes'],
  pass: ['ns'],
  ringAgain: ['context'],
  withdraw: ['context'],
  rate: ['bps'],
};

/**
 * A script from its JSON text, or from the JSON of a `LawBroken`, which carries one.
 * @throws ParameterError that names the first field that is missing or wrong.
 */
export function scriptFromJson(text: string): Script {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new ParameterError(`replay is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (!isRecord(parsed)) return requireScript(parsed);
  const { script = parsed } = parsed;
  return requireScript(script);
}

/** The script itself. @throws ParameterError that names the first field that is missing or wrong. */
export function requireScript(script: unknown): Script {
  if (!isRecord(script)) throw wrong('replay', script, 'an object with startNs and steps');
  const { startNs, steps, longRunFrames } = script;
  if (!isWhole(startNs)) throw wrong('replay.startNs', startNs, 'a whole number >= 0');
  if (!Array.isArray(steps)) throw wrong('replay.steps', steps, 'a list');
  for (const [index, step] of steps.entries()) requireStep(`replay.steps[${index}]`, step);
  if (longRunFrames === undefined) return { startNs, steps: steps as Step[] };
  if (!isWhole(longRunFrames)) throw wrong('replay.longRunFrames', longRunFrames, 'a whole number >= 0');
  return { startNs, steps: steps as Step[], longRunFrames };
}

function requireStep(path: string, step: unknown): void {
  const { step: kind, share, bps } = isRecord(step) ? step : {};
  if (!isRecord(step) || typeof kind !== 'string' || !Object.hasOwn(FIELDS, kind))
    throw wrong(`${path}.step`, kind, `one of ${Object.keys(FIELDS).join(', ')}`);
  for (const field of FIELDS[kind as Step['step']])
    if (!isWhole(step[field])) throw wrong(`${path}.${field}`, step[field], 'a whole number >= 0');
  // No link has any other rate: that would be laid at the discipline's door.
  if (kind === 'rate') requireRateBps(`${path}.bps`, bps);
  if (kind !== 'join') return;
  const { weight } = isRecord(share) ? share : {};
  if (!isWhole(weight)) throw wrong(`${path}.share`, share, 'an object with a weight');
  if (weight === 0) throw wrong(`${path}.share.weight`, weight, 'a whole number >= 1');
}

function wrong(field: string, value: unknown, expected: string): ParameterError {
  return new ParameterError(`${field} is ${JSON.stringify(value)}, expected ${expected}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
