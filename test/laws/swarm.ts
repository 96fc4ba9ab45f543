import fc from 'fast-check';
import { ATTACKS, type Attack, AttackScenario, NotPlayable } from '../../guests/hostile/index.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { type Plan, plans } from '../arbitraries/scenarios.js';
import { LawMachine } from './law-machine.js';

/** What a seed stands for. Everything about the run follows from it. */
export interface SwarmOptions {
  readonly seed: number;
  readonly plan: Plan;
  readonly attack: Attack | undefined;
  /** Traffic before the attack, and after it, ns. */
  readonly beforeNs: number;
  readonly afterNs: number;
}

/** What a seed came to. */
export interface SwarmOutcome {
  readonly options: SwarmOptions;
  readonly events: number;
  /** Why the attack was not played, if it was not. */
  readonly notPlayed: string | undefined;
  readonly faults: number;
}

const ATTACKER_MAC = 0x02_00_00_00_66_66;
const ATTACKER_SLOTS = 32;
/** Events between two looks at every invariant. */
const LOOK_EVERY = 97;
/** After traffic has stopped everything comes to rest within this, ns: the longest timeouts and slowest cores included. */
const REST_NS = 200_000_000;
const GUESTS = 4;
/** Plans have no source that begins later. */
const LATEST_START_NS = 100_000;

/**
 * Draws the options of a run from a seed, as TigerBeetle's simulator does: each seed turns whole parts of the machine on
 * and off, so that rare combinations come up. The draws are fast-check's, for the options that the laws use as well.
 */
export function drawSwarm(seed: number): SwarmOptions {
  const arbitrary = fc.record({
    plan: plans({ maxGuests: GUESTS, maxNs: 300_000 }),
    // As often none, so that what an honest machine does wrong is not put down to an attack.
    attack: fc.option(fc.constantFrom(...ATTACKS), { nil: undefined, freq: 2 }),
    policy: fc.constantFrom('log' as const, 'revoke' as const, 'kill' as const),
    oneRequesterId: fc.boolean(),
    vendor: fc.constantFrom('vtd' as const, 'amdvi' as const),
    iotlbEntries: fc.constantFrom(1, 8, 64),
    balloon: fc.boolean(),
    beforeNs: fc.integer({ min: 10_000, max: 200_000 }),
    afterNs: fc.integer({ min: 10_000, max: 300_000 }),
  });
  const [drawn] = fc.sample(arbitrary, { seed, numRuns: 1 });
  if (drawn === undefined) throw new Error('fast-check drew nothing');
  const { plan, policy, vendor, oneRequesterId, iotlbEntries, balloon, ...rest } = drawn;
  const scenario = {
    ...plan.scenario,
    // Space for what attacks plant, and for what a balloon takes.
    guests: plan.scenario.guests.map((guest) => ({ ...guest, memoryMegabytes: 8 })),
    host: { ...plan.scenario.host, faultPolicy: policy, memoryMegabytes: 128 },
    iommu: { vendor, oneRequesterId, iotlbEntries },
    ...(balloon ? { balloon: { pages: 20, everyNs: 10_000, startNs: 0, bufferPercent: 25 } } : {}),
  };
  return { seed, plan: { ...plan, scenario, seed }, ...rest };
}

/** One line that says what a seed drew; the seed alone repeats it. */
export function describeSwarm({ seed, plan, attack, beforeNs, afterNs }: SwarmOptions): string {
  const { scenario, approach, discipline } = plan;
  const guests = scenario.guests.map(({ traffic }) => traffic.kind).join('+');
  const parts = [scenario.nic, scenario.link, scenario.iommu, scenario.host, scenario.balloon];
  return [
    `seed ${seed}: ${approach.name}, ${discipline}, ${attack?.name ?? 'no attack'}, ${guests}`,
    `${beforeNs} + ${afterNs} ns, ${JSON.stringify(Object.assign({}, ...parts))}`,
  ].join('; ');
}

/**
 * Runs a seed: traffic, the attack, traffic, and then a phase in which nothing is sent or attacked any more. Every
 * invariant of every part is looked at on the way, and at the end everything has come to rest.
 *
 * @throws whatever an invariant says, behind the seed and its options
 */
export function runSwarm(options: SwarmOptions): SwarmOutcome {
  try {
    return play(options);
  } catch (cause) {
    throw new Error(`${describeSwarm(options)}\n${cause instanceof Error ? cause.stack : cause}`, { cause });
  }
}

function play(options: SwarmOptions): SwarmOutcome {
  const { plan, attack, beforeNs, afterNs } = options;
  const law = new LawMachine(plan);
  const { machine } = law;
  const { host, kernel, partner } = machine;
  const domain = host.createGuest('attacker', 0);
  const port = host.openPort(domain, {
    mac: ATTACKER_MAC,
    share: { weight: 1 },
    transmitSlots: ATTACKER_SLOTS,
    receiveSlots: ATTACKER_SLOTS,
    antiSpoofing: true,
    promiscuous: false,
  });
  partner.addStation(ATTACKER_MAC);
  const look = (events: number) => {
    if (events % LOOK_EVERY === 0) machine.checkInvariants();
  };
  law.walk(beforeNs, look);
  const notPlayed = attack === undefined ? 'none drawn' : playAttack(attack, law, domain, port, options.seed);
  machine.checkInvariants();
  // A source that is to begin later begins, so that it can be stopped.
  law.walk(Math.max(kernel.nowNs + afterNs, LATEST_START_NS), look);
  // No faults from here on: the attacker's domain ends, and the others send nothing new.
  if (domain.state === 'running') host.hypervisor.kill(domain);
  for (const { driver } of machine.guests) driver.close();
  partner.close();
  restOf(law, kernel.nowNs + REST_NS);
  machine.checkInvariants();
  checkRest(law, notPlayed === undefined);
  return { options, events: kernel.executed, notPlayed, faults: host.hypervisor.faultLog.length };
}

/** @returns why it was not played, if it was not */
function playAttack(
  attack: Attack,
  law: LawMachine,
  domain: AttackerDomain,
  port: AttackerPort,
  seed: number,
): string | undefined {
  const { host, partner, guests } = law.machine;
  const [first] = guests;
  if (first === undefined) throw new Error('a plan has at least one guest');
  const victim = { domain: first.domain, port: first.port, driver: first.driver, sourceId: 0 };
  const scene = new AttackScenario({
    host,
    partner,
    attackerDomain: domain,
    attackerPort: port,
    victim,
    seed,
  });
  try {
    return attack.play(scene)?.notApplicable;
  } catch (cause) {
    // The script needs a page that this machine cannot hand over: its guests have all their RAM from the start.
    if (cause instanceof NotPlayable) return cause.message;
    if (cause instanceof Error && NEEDS_FREE_PAGES.test(cause.message)) return cause.message;
    throw cause;
  }
}

const NEEDS_FREE_PAGES = /went elsewhere$/u;

type AttackerDomain = ConstructorParameters<typeof AttackScenario>[0]['attackerDomain'];
type AttackerPort = ConstructorParameters<typeof AttackScenario>[0]['attackerPort'];

/** Runs until no event is left, or only such as come again by themselves, up to a deadline. */
function restOf(law: LawMachine, deadlineNs: number): void {
  const { kernel } = law.machine;
  kernel.run(deadlineNs);
}

/** What rest means: no frame under way anywhere, and nothing of an honest guest left in a ring that still works. */
function checkRest(law: LawMachine, attacked: boolean): void {
  const { host, partner, guests } = law.machine;
  const { transmit, receive, switching } = host.nic.framesInside;
  if (transmit + receive + switching + partner.framesWaiting !== 0) {
    throw new InvariantViolation(
      `not at rest: ${transmit} frames on their way out, ${receive} in, ${switching} between contexts, ${partner.framesWaiting} on the cable`,
    );
  }
  // Where an attack may reach the rings of others, what it did to them is no fault of the machine.
  const { claims } = law.plan.approach;
  const isApart = claims.interGuest && guests.length + 1 <= (claims.separates ?? Number.POSITIVE_INFINITY);
  if (attacked && !(isApart && claims.device)) return;
  // A guest whose page the balloon took while it was a buffer is charged with a fault, and stopped where the policy says so.
  const charged = new Set(host.hypervisor.faultLog.map((fault) => fault.domain));
  for (const { name, driver, domain, port } of guests) {
    const context = host.nic.contexts[port.context];
    const isOpen = context === undefined || context.state === 'open';
    const works = domain.state === 'running' && isOpen && !charged.has(name);
    if (works && driver.framesQueued > 0) {
      throw new InvariantViolation(
        `not at rest: ${driver.framesQueued} frames of ${name} are in its ring for good`,
      );
    }
  }
}
