import { type AttackScenario, contains, DROP_MAC } from '../../guests/hostile/index.js';
import { FrameVerifier, readMac } from '../../guests/traffic/index.js';
import type { Host } from '../../host/host.js';
import type { ContextId } from '../../scheduler/branded.js';
import { countOf, tally, tallyIn } from '../../scheduler/tally.js';
import type { Observation, Service } from './observation.js';

/** Before the names of drop counters of an approach. */
const DROP_PREFIX = 'drop:';

/** What a witness has to know of a victim's traffic. */
export interface WitnessedVictim {
  readonly mac: number;
  /** Whether a frame of this source id is one that the victim sends. */
  readonly sends: (sourceId: number) => boolean;
  /** Whether a frame of this source id is one that the victim is to receive. */
  readonly receives: (sourceId: number) => boolean;
  /** Station whose frames for the victim are all of a known pattern; undefined where there is none. */
  readonly correspondent: number | undefined;
  /** Whether what the victim sends is of a known pattern, so that a frame that is not has been damaged. */
  readonly isPatterned: boolean;
}

/**
 * Watches an attack from outside: frames on the wire and frames that reach the victim, byte by byte, and what card, bus and
 * hypervisor say. The machine is not changed by it.
 */
export class AttackWitness {
  readonly #host: Host;
  readonly #scene: AttackScenario;
  readonly #victim: WitnessedVictim;
  readonly #verifier = new FrameVerifier();
  readonly #leaks = new Map<string, number>();
  readonly #cardFaults: Record<string, number> = {};
  readonly #cardDrops: Record<string, number> = {};
  readonly #faultsBefore: number;
  readonly #messagesBefore: number;
  readonly #dropsBefore: ReadonlyMap<string, number>;
  readonly #silence: { readonly sent: Silence; readonly received: Silence };
  #sent = 0;
  #sentBytes = 0;
  #received = 0;
  #damaged = 0;
  #impostors = 0;
  #aborts = 0;

  constructor(host: Host, scene: AttackScenario, victim: WitnessedVictim) {
    this.#host = host;
    this.#scene = scene;
    this.#victim = victim;
    const { nowNs } = host.kernel;
    this.#silence = { sent: new Silence(nowNs), received: new Silence(nowNs) };
    this.#faultsBefore = host.hypervisor.faultLog.length;
    this.#messagesBefore = host.hypervisor.strayMessages;
    this.#dropsBefore = dropsOf(host);
    host.bus.denied$.subscribe(() => {
      this.#aborts += 1;
    });
    host.nic.streams.faults$.subscribe(({ reason }) => tallyIn(this.#cardFaults, reason));
    host.nic.streams.drops$.subscribe(({ context, reason }) => {
      if (context === scene.attacker.port.context) tallyIn(this.#cardDrops, reason);
    });
  }

  /** Bytes of the frames that the victim has sent. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** A frame has left on the wire. `bytes` is borrowed. */
  onWire(bytes: Uint8Array, offset: number, length: number, context: ContextId): void {
    const { mac, sends, isPatterned } = this.#victim;
    const verdict = this.#verifier.verify(bytes, offset, length);
    const fromVictim = readMac(bytes, offset + 6) === mac;
    const isOwn = fromVictim && verdict === 'good' && sends(this.#verifier.sourceId);
    if (isOwn || (!isPatterned && fromVictim && context === this.#scene.victim.port.context)) {
      this.#sent += 1;
      this.#sentBytes += length;
      this.#silence.sent.heard(this.#host.kernel.nowNs);
    } else if (fromVictim && readMac(bytes, offset) === DROP_MAC) {
      this.#impostors += 1;
    } else if (fromVictim || context === this.#scene.victim.port.context) {
      this.#damaged += 1;
    }
    const frame = bytes.subarray(offset, offset + length);
    for (const { label, tag } of this.#scene.stakes)
      if (tag !== undefined && contains(frame, tag)) tally(this.#leaks, label);
  }

  /** A frame has reached the victim, as it stands in its memory. `bytes` is borrowed. */
  onReceived(bytes: Uint8Array, offset: number, length: number): undefined {
    const { receives, correspondent } = this.#victim;
    const verdict = this.#verifier.verify(bytes, offset, length);
    if (verdict === 'good' && receives(this.#verifier.sourceId)) {
      this.#received += 1;
      this.#silence.received.heard(this.#host.kernel.nowNs);
    } else if (verdict === 'damaged' || readMac(bytes, offset + 6) === correspondent) {
      this.#damaged += 1;
    }
    return undefined;
  }

  /** What has happened since the witness came; the scene's stakes have been looked at. */
  observe(): Observation {
    const { attacker, stakes, leaked, notes } = this.#scene;
    const { hypervisor, kernel } = this.#host;
    const setUpRefusals: Record<string, number> = { ...attacker.stopped.refusals };
    for (const { domain, caughtBy, reason } of hypervisor.faultLog.slice(this.#faultsBefore)) {
      // What the port itself refused has been counted where it was asked.
      if (caughtBy === 'set-up' && domain === attacker.domain.name && setUpRefusals[reason] === undefined)
        setUpRefusals[reason] = 1;
    }
    const service: Service = {
      sent: this.#sent,
      received: this.#received,
      longestSilenceNs: Math.max(
        this.#silence.sent.longest(kernel.nowNs),
        this.#silence.received.longest(kernel.nowNs),
      ),
    };
    return {
      changed: stakes
        .filter(({ changedBytes }) => changedBytes > 0)
        .map(({ label, changedBytes }) => ({ what: label, bytes: changedBytes })),
      leaked: [
        ...[...this.#leaks].map(([what, frames]) => ({ what, to: 'wire' as const, frames })),
        ...leaked.map((what) => ({ what, to: 'card' as const, frames: 1 })),
      ],
      damagedFrames: this.#damaged,
      impostorFrames: this.#impostors,
      strayMessages: hypervisor.strayMessages - this.#messagesBefore,
      setUpRefusals,
      pageFaults: attacker.stopped.pageFaults,
      withheldPages: attacker.stopped.withheldPages,
      deniedAccesses: this.#aborts,
      cardFaults: this.#cardFaults,
      drops: { ...this.#approachDrops(), ...this.#cardDrops },
      service,
      notes,
    };
  }

  /** Drops that an approach has made itself, in a bridge of its own, under the names by which it counts them. */
  #approachDrops(): Record<string, number> {
    const drops = [...dropsOf(this.#host)].map(
      ([name, frames]) => [name, frames - countOf(this.#dropsBefore, name)] as const,
    );
    return Object.fromEntries(drops.filter(([, frames]) => frames > 0));
  }
}

/** Frames that an approach has dropped, by reason. */
function dropsOf({ protection }: Host): Map<string, number> {
  const counts = Object.entries(protection.counters().details);
  return new Map(
    counts
      .filter(([name]) => name.startsWith(DROP_PREFIX))
      .map(([name, frames]) => [name.slice(DROP_PREFIX.length), frames]),
  );
}

/** The longest time between two events of a kind. */
class Silence {
  #lastNs: number;
  #longestNs = 0;

  constructor(fromNs: number) {
    this.#lastNs = fromNs;
  }

  heard(nowNs: number): void {
    this.#longestNs = Math.max(this.#longestNs, nowNs - this.#lastNs);
    this.#lastNs = nowNs;
  }

  longest(nowNs: number): number {
    return Math.max(this.#longestNs, nowNs - this.#lastNs);
  }
}
