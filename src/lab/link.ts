import { UserError } from '../../scheduler/errors.js';
import type { ScenarioInput } from '../scenario/schema.js';
import type { Cast } from './attack-film.js';
import type { Position } from './lab-machine.js';
import type { LabPlan } from './plan.js';
import { PRESETS, presetOf } from './presets.js';

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

/** Longest scenario that a link carries, bytes of JSON: browsers and mail programs cut longer ones. */
const MOST_SCENARIO_BYTES = 24_000;

/** The state as the part of an address behind #. A scenario of the lab goes by its name, any other as JSON in base64url. */
export function encodeLink({ plans, position, paceNs, attack, tour }: LabState): string {
  const [first, second] = plans;
  if (first === undefined) return '';
  const fields = new URLSearchParams();
  const preset = PRESETS.find(({ scenario }) => JSON.stringify(scenario) === JSON.stringify(first.scenario));
  fields.set('s', preset === undefined ? `~${toBase64(JSON.stringify(first.scenario))}` : preset.name);
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
  const pace = fields.get('pace');
  const [name, attacker, victim] = ['attack', 'by', 'on'].map((field) => fields.get(field));
  const tour = /^(?<id>[\w-]+)\.(?<step>\d{1,2})$/u.exec(fields.get('tour') ?? '')?.groups;
  return {
    plans,
    position: { atNs, events },
    paceNs: pace === 'max' ? null : pace === null ? 50_000 : wholeNumber(fields, 'pace', 50_000),
    ...(name == null || attacker == null || victim == null ? {} : { attack: { name, attacker, victim } }),
    ...(tour?.id === undefined ? {} : { tour: { id: tour.id ?? '', step: Number(tour.step) } }),
  };
}

function scenarioOf(text: string): ScenarioInput {
  if (!text.startsWith('~')) {
    const preset = presetOf(text);
    if (preset !== undefined) return preset.scenario;
    const names = PRESETS.map(({ name }) => name).join(', ');
    throw new UserError(`link: s is ${JSON.stringify(text)}, expected one of: ${names}, or ~ and a scenario`);
  }
  if (text.length > 2 * MOST_SCENARIO_BYTES)
    throw new UserError(`link: s has ${text.length} characters, expected at most ${2 * MOST_SCENARIO_BYTES}`);
  try {
    return JSON.parse(fromBase64(text.slice(1))) as ScenarioInput;
  } catch {
    throw new UserError(
      'link: s is not a scenario, expected ~ and JSON in base64url; the link may have been cut',
    );
  }
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
