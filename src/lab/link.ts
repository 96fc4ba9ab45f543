import { UserError } from '../../scheduler/errors.js';
import type { ScenarioInput } from '../scenario/schema.js';
import type { Cast } from './attack-film.js';
import type { Position } from './lab-machine.js';
import type { LabPlan } from './plan.js';
import { PRESETS, presetOf } from './presets.js';
import { TOURS, tourOf } from './tours/index.js';

/** What a link carries: everything that decides what the page shows, and where in the run it stands. */
export interface LabState {
  /** One plan, or two that differ in approach and discipline alone. */
  readonly plans: readonly LabPlan[];
  readonly position: Position;
  /** Virtual time per second, ns; null for as fast as it can. */
  readonly paceNs: number | null;
  /** An attack that is played in the run, where it stands. */
  readonly attack?: { readonly name: string } & Cast;
  /** A tour that is under way, and its step. */
  readonly tour?: { readonly id: string; readonly step: number };
}

/** Longest scenario that a link carries, in characters of base64url: browsers and mail programs cut longer ones. */
const MOST_SCENARIO_CHARACTERS = 48_000;
/** Virtual time per second, ns: of a link that names none, and at most. */
const USUAL_PACE_NS = 50_000;
const MOST_PACE_NS = 1e12;

/**
 * The state as the part of an address behind #. A scenario of the lab goes by its name, any other as JSON in base64url.
 * @throws UserError for a scenario that is too long for a link
 */
export function encodeLink({ plans, position, paceNs, attack, tour }: LabState): string {
  const [first, second] = plans;
  if (first === undefined) return '';
  const fields = new URLSearchParams();
  const preset = PRESETS.find(({ scenario }) => JSON.stringify(scenario) === JSON.stringify(first.scenario));
  fields.set('s', preset === undefined ? inLetters(first.scenario) : preset.name);
  fields.set('a', first.approach);
  fields.set('d', first.discipline);
  if (second !== undefined) {
    fields.set('b', second.approach);
    fields.set('e', second.discipline);
  }
  fields.set('seed', String(first.seed));
  if (position.events > 0 || position.atNs > 0) fields.set('at', `${position.atNs}.${position.events}`);
  fields.set('pace', paceNs === null ? 'max' : String(paceNs));
  if (attack !== undefined) {
    fields.set('attack', attack.name);
    fields.set('by', attack.attacker);
    fields.set('on', attack.victim);
  }
  if (tour !== undefined) fields.set('tour', `${tour.id}.${tour.step}`);
  // Colons and tildes are allowed there, and read better.
  return `#${fields.toString().replaceAll('%3A', ':').replaceAll('%7E', '~')}`;
}

/**
 * The state that a link carries. It may come from a stranger: its form is looked at here, and what it says by the
 * machine that opens its plans (`checkPlan`).
 *
 * @throws UserError that names the field, its value and what was expected
 */
export function decodeLink(hash: string): LabState {
  const fields = new URLSearchParams(hash.replace(/^#/u, ''));
  const seed = wholeNumber(fields, 'seed', 1);
  const scenario = scenarioOf(fields.get('s') ?? PRESETS[0]?.name ?? '');
  const plan = { scenario, approach: fields.get('a') ?? 'cdna', discipline: fields.get('d') ?? 'drr', seed };
  const other = fields.get('b');
  const plans =
    other === null
      ? [plan]
      : [plan, { ...plan, approach: other, discipline: fields.get('e') ?? plan.discipline }];
  // 0: the link names no instant, and the run is at its start.
  const [atNs = 0, events = 0] = numbers(fields, 'at');
  const attack = attackOf(fields);
  const tour = tourOfLink(fields);
  return {
    plans,
    position: { atNs, events },
    paceNs: paceOf(fields),
    ...(attack === undefined ? {} : { attack }),
    ...(tour === undefined ? {} : { tour }),
  };
}

function paceOf(fields: URLSearchParams): number | null {
  if (fields.get('pace') === 'max') return null;
  const paceNs = wholeNumber(fields, 'pace', USUAL_PACE_NS);
  if (paceNs >= 1 && paceNs <= MOST_PACE_NS) return paceNs;
  throw new UserError(`link: pace is ${paceNs}, expected 1 to ${MOST_PACE_NS} ns per second, or max`);
}

function attackOf(fields: URLSearchParams): LabState['attack'] {
  const [name, attacker, victim] = ['attack', 'by', 'on'].map((field) => fields.get(field));
  if (name == null) return undefined;
  if (attacker != null && victim != null) return { name, attacker, victim };
  throw new UserError(
    `link: attack is ${JSON.stringify(name)}, expected with it by and on: attacker and victim`,
  );
}

function tourOfLink(fields: URLSearchParams): LabState['tour'] {
  const text = fields.get('tour');
  if (text === null) return undefined;
  const { id = '', step } = /^(?<id>[\w-]+)\.(?<step>\d{1,2})$/u.exec(text)?.groups ?? {};
  if (tourOf(id) !== undefined) return { id, step: Number(step) };
  const ids = TOURS.map((tour) => tour.id).join(', ');
  throw new UserError(`link: tour is ${JSON.stringify(text)}, expected a step of one of: ${ids}`);
}

function scenarioOf(text: string): ScenarioInput {
  if (!text.startsWith('~')) {
    const preset = presetOf(text);
    if (preset !== undefined) return preset.scenario;
    const names = PRESETS.map(({ name }) => name).join(', ');
    throw new UserError(`link: s is ${JSON.stringify(text)}, expected one of: ${names}, or ~ and a scenario`);
  }
  assertLength(text);
  try {
    return JSON.parse(fromBase64(text.slice(1))) as ScenarioInput;
  } catch {
    throw new UserError(
      'link: s is not a scenario, expected ~ and JSON in base64url; the link may have been cut',
    );
  }
}

function inLetters(scenario: ScenarioInput): string {
  const text = `~${toBase64(JSON.stringify(scenario))}`;
  assertLength(text);
  return text;
}

function assertLength({ length }: string): void {
  if (length <= MOST_SCENARIO_CHARACTERS) return;
  throw new UserError(
    `link: s has ${length} characters, expected at most ${MOST_SCENARIO_CHARACTERS}: a longer scenario goes as a file`,
  );
}

function numbers(fields: URLSearchParams, name: string): number[] {
  const text = fields.get(name);
  if (text === null) return [];
  if (!/^\d{1,16}\.\d{1,16}$/u.test(text))
    throw new UserError(
      `link: ${name} is ${JSON.stringify(text)}, expected nanoseconds, a point, and a count of events`,
    );
  return text.split('.').map(Number);
}

function wholeNumber(fields: URLSearchParams, name: string, absent: number): number {
  const text = fields.get(name);
  if (text === null) return absent;
  if (!/^\d{1,13}$/u.test(text))
    throw new UserError(`link: ${name} is ${JSON.stringify(text)}, expected a whole number`);
  return Number(text);
}

function toBase64(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function fromBase64(text: string): string {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return new TextDecoder('utf-8', { fatal: true }).decode(
    Uint8Array.from(binary, (letter) => letter.charCodeAt(0)),
  );
}
