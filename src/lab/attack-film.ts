import { ATTACKS } from '../../guests/hostile/index.js';
import { APPROACHES, approachExpected } from '../../host/protection/approaches.js';
import { UserError } from '../../scheduler/errors.js';
import { AttackLab, DEFAULT_TOTAL_NS, WARM_UP_NS } from '../attack/attack-lab.js';
import { compareCell } from '../attack/compare-cell.js';
import type { Cell } from '../attack/matrix.js';
import { judge, notApplicable, type Verdict } from '../attack/verdict.js';
import { Columns } from './columns.js';
import { FaultCount } from './fault-count.js';
import { Journal } from './journal.js';
import type { MachineLayout, MachineState } from './machine-state.js';
import { memoryMap, type PageBlock, pageStates } from './memory-map.js';
import { snapshotOf } from './snapshot.js';

/** Between two pictures around the attack, and later, ns. */
const NEAR_NS = 2_000;
const FAR_NS = 40_000;
/** The film begins so long before the script, and is close up for so long behind it, ns. */
const BEFORE_NS = 40_000;
const CLOSE_NS = 400_000;

/** An attack of the matrix as it was played: pictures of the machine, and the judgement. */
export interface AttackFilm {
  readonly attack: string;
  readonly approach: string;
  readonly seed: number;
  /** What is done. */
  readonly meaning: string;
  readonly verdict: Verdict;
  /** What the verdict rests on: the sentence of `cdna-nic attack --explain`. */
  readonly sentence: string;
  /** Facts, one a line. */
  readonly facts: readonly string[];
  /** Why it ends so here, as the matrix of expectations has it. */
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
  const attack = ATTACKS.find(({ name }) => name === attackName);
  if (attack === undefined)
    throw new UserError(
      `attack is ${JSON.stringify(attackName)}, expected one of: ${ATTACKS.map(({ name }) => name).join(', ')}`,
    );
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
  const journal = new Journal(host, () => guests);
  const columns = new Columns(host, () => guests);
  const faults = new FaultCount(host);
  const pictures: MachineState[] = [];
  let blocks: readonly PageBlock[] = memoryMap(host, guests);
  const totalNs = stage.lastsNs ?? DEFAULT_TOTAL_NS;
  const take = host.kernel.register('lab.film', () => {
    const { nowNs } = host.kernel;
    if (pictures.length === 0) journal.watch(true);
    pictures.push({
      snapshot: snapshotOf(host, guests, columns, undefined, faults.count),
      ...pageStates(host, blocks),
      ...journal.take(),
      fingerprint: '',
    });
    const stepNs = nowNs < WARM_UP_NS + CLOSE_NS ? NEAR_NS : FAR_NS;
    if (nowNs >= WARM_UP_NS + CLOSE_NS) journal.watch(false);
    if (nowNs + stepNs <= totalNs) host.kernel.post(stepNs, take);
  });
  host.kernel.scheduleAt(WARM_UP_NS - BEFORE_NS, take);
  blocks = memoryMap(host, guests);
  const outcome = lab.play(attack);
  journal.close();
  faults.close();
  const judgement =
    'notApplicable' in outcome ? notApplicable(outcome.notApplicable) : judge(outcome, quiet.service);
  const cell: Cell = { attack: attackName, approach: approachName, ...judgement };
  const compared = compareCell(cell);
  return {
    attack: attackName,
    approach: approachName,
    seed,
    meaning: attack.meaning,
    verdict: judgement.verdict,
    sentence: judgement.evidence.sentence,
    facts: factsOf(cell),
    because: compared?.because ?? '',
    layout: {
      approach: approachName,
      discipline: stage.discipline ?? 'drr',
      blocks,
      rateBps: host.nic.parameters.rateBps,
      endNs: totalNs,
    },
    pictures,
  };
}

function factsOf({ evidence }: Cell): string[] {
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
