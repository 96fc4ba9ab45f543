import { ATTACKS, type Attack } from '../../guests/hostile/index.js';
import { APPROACHES, approachExpected } from '../../host/protection/approaches.js';
import { UserError } from '../../scheduler/errors.js';
import { AttackLab, DEFAULT_TOTAL_NS, WARM_UP_NS } from '../attack/attack-lab.js';
import { compareCell, reasonIfKnown } from '../attack/compare-cell.js';
import type { Cell } from '../attack/matrix.js';
import { playInRun } from '../attack/run-attack.js';
import { type Judgement, judge, notApplicable, type Verdict } from '../attack/verdict.js';
import { protectionOf } from '../machine/protection.js';
import type { CaptureStore } from '../machine/traffic.js';
import { Film } from './film.js';
import type { MachineLayout, MachineState } from './machine-state.js';
import type { CheckedPlan } from './plan.js';

/** The film of an attack begins so long before the script, ns. */
const BEFORE_NS = 40_000;

/** Which guests of a run are attacker and victim, by name. */
export interface Cast {
  readonly attacker: string;
  readonly victim: string;
}

/** An attack of the matrix as it was played: pictures of the machine, and the judgement. */
export interface AttackFilm {
  readonly attack: string;
  readonly approach: string;
  readonly seed: number;
  /** Guests of a run that were attacker and victim; absent on a machine of its own. */
  readonly cast?: Cast;
  /** What is done. */
  readonly meaning: string;
  readonly verdict: Verdict;
  /** What the verdict rests on: the sentence of `cdna-nic attack --explain`. */
  readonly sentence: string;
  /** Facts, one a line. */
  readonly facts: readonly string[];
  /** Why it ends so here, as the matrix of expectations has it; empty where that has nothing to say. */
  readonly because: string;
  readonly layout: MachineLayout;
  readonly pictures: readonly MachineState[];
}

/**
 * Plays an attack on a machine of its own, as `cdna-nic attack` does, and takes pictures on the way. The script moves
 * time itself, so it is not stepped through: what is stepped through is the film.
 *
 * @throws UserError for an attack or an approach that does not exist
 */
export function filmAttack(attackName: string, approachName: string, seed: number): AttackFilm {
  const attack = attackOf(attackName);
  const approach = APPROACHES.find(({ name }) => name === approachName);
  if (approach === undefined)
    throw new UserError(
      `approach is ${JSON.stringify(approachName)}, ${approachExpected(approachName, APPROACHES)}`,
    );
  const stage = attack.stage ?? {};
  const quiet = new AttackLab(approach.make(), stage, seed).play(undefined);
  if ('notApplicable' in quiet)
    throw new UserError('a run without an attack has nothing that may be missing');

  const lab = new AttackLab(approach.make(), stage, seed);
  const { host, scene } = lab;
  const guests = [
    { domain: scene.attacker.domain, port: scene.attacker.port },
    { domain: scene.victim.domain, port: scene.victim.port, driver: scene.victim.driver },
  ];
  const untilNs = stage.lastsNs ?? DEFAULT_TOTAL_NS;
  const film = new Film(host, guests, { fromNs: WARM_UP_NS - BEFORE_NS, scriptNs: WARM_UP_NS, untilNs });
  const outcome = lab.play(attack);
  film.close();
  const judgement =
    'notApplicable' in outcome ? notApplicable(outcome.notApplicable) : judge(outcome, quiet.service);
  const discipline = stage.discipline ?? 'drr';
  const cell: Cell = { attack: attackName, approach: approachName, ...judgement };
  const because = compareCell(cell)?.because;
  return {
    ...judged(attack, approachName, seed, judgement, because),
    layout: layoutOf(film, approachName, discipline, untilNs),
    pictures: film.pictures,
  };
}

/**
 * Plays an attack in a run, from one of its guests on another, and takes pictures on the way.
 * @throws UserError for an attack that does not exist, or guests that the run does not have
 */
export function filmAttackInRun(
  attackName: string,
  { plan, scenario }: CheckedPlan,
  captures: CaptureStore,
  atNs: number,
  cast: Cast,
): AttackFilm {
  const attack = attackOf(attackName);
  const { approach, discipline, seed } = plan;
  const shown: { film?: Film; layout?: MachineLayout } = {};
  const judgement = playInRun(
    attack,
    {
      scenario,
      captures,
      seed,
      makeProtection: () => protectionOf(approach, scenario),
      discipline,
      atNs,
      ...cast,
    },
    ({ machine, host, attacker, untilNs }) => {
      const guests = machine.guests.map((guest) =>
        guest === attacker.guest ? { domain: guest.domain, port: attacker.port } : guest,
      );
      const { nowNs } = host.kernel;
      const film = new Film(host, guests, { fromNs: nowNs, scriptNs: nowNs, untilNs });
      shown.film = film;
      shown.layout = layoutOf(film, approach, discipline, untilNs);
    },
  );
  const { film, layout } = shown;
  film?.close();
  if (film === undefined || layout === undefined)
    throw new UserError(`${attackName}: ${judgement.evidence.sentence}`);
  const because = reasonIfKnown({ attack: attack.name, approach, ...judgement });
  const said = judged(attack, approach, seed, judgement, because);
  return { ...said, cast, layout, pictures: film.pictures };
}

function attackOf(name: string): Attack {
  const attack = ATTACKS.find((each) => each.name === name);
  if (attack !== undefined) return attack;
  throw new UserError(
    `attack is ${JSON.stringify(name)}, expected one of: ${ATTACKS.map((each) => each.name).join(', ')}`,
  );
}

/** What a film says of an attack, besides its pictures. */
function judged(
  attack: Attack,
  approach: string,
  seed: number,
  judgement: Judgement,
  because: string | undefined,
) {
  return {
    attack: attack.name,
    approach,
    seed,
    meaning: attack.meaning,
    verdict: judgement.verdict,
    sentence: judgement.evidence.sentence,
    facts: factsOf(judgement),
    because: because ?? '',
  };
}

function layoutOf({ blocks }: Film, approach: string, discipline: string, endNs: number): MachineLayout {
  return { approach, discipline, blocks, endNs };
}

function factsOf({ evidence }: Judgement): string[] {
  const { facts, servedShare } = evidence;
  if (facts === undefined) return [];
  const lines: string[] = [];
  for (const { what, bytes } of facts.changed) lines.push(`${bytes} bytes changed: ${what}`);
  for (const { what, to, frames } of facts.leaked)
    lines.push(
      to === 'wire' ? `${what} left over the wire in ${frames} frames` : `${what} was read by the card`,
    );
  for (const [reason, count] of Object.entries(facts.setUpRefusals))
    lines.push(`the set-up gate refused ${count}: ${reason}`);
  if (facts.deniedAccesses > 0) lines.push(`the access gate denied ${facts.deniedAccesses} accesses`);
  if (facts.pageFaults > 0) lines.push(`the MMU stopped ${facts.pageFaults} accesses of the attacker's CPU`);
  for (const [reason, count] of Object.entries(facts.cardFaults))
    lines.push(`the card stopped a context ${count} times: ${reason}`);
  for (const [reason, count] of Object.entries(facts.drops)) lines.push(`${count} frames dropped: ${reason}`);
  if (servedShare !== undefined)
    lines.push(`the victim was served ${(servedShare * 100).toFixed(1)} % of what it gets when left alone`);
  return [...lines, ...facts.notes];
}
