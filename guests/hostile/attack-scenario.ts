import type { HostParts } from '../../host/host-parts.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import { HYPERVISOR } from '../../host/hypervisor/hypervisor.js';
import { NO_OWNER, type PageKind } from '../../host/memory/page-ownership.js';
import { PAGE_BYTES } from '../../host/memory/physical-memory.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import type { Protection } from '../../host/protection/protection.js';
import {
  type GuestPhysicalAddress,
  hostPhysicalAddress,
  machineAddress,
  type PageNumber,
  pageAddress,
  pageAfter,
  pageNumber,
  pageOf,
  type RequesterId,
} from '../../nic/addresses.js';
import { InvariantViolation, ParameterError } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import type { LinkPartner } from '../link-partner.js';
import type { NicDriver } from '../nic-driver.js';
import { FrameVerifier } from '../traffic/frame-verifier.js';
import { HostileGuest, headerBytes } from './hostile-guest.js';
import { NotPlayable } from './not-playable.js';
import { RogueDevice } from './rogue-device.js';
import { ControlStructure, contains, Secret, type Stake, tagged, tagOf } from './stakes.js';

/** A guest that follows the rules and must not be harmed. */
export interface Victim {
  readonly domain: Domain;
  readonly port: GuestPort;
  readonly driver: NicDriver;
  /** Source id of the frames that it sends. */
  readonly sourceId: number;
}

/** What a scene is set in. */
export interface AttackScenarioParts {
  readonly host: HostParts & { readonly protection: Protection };
  readonly partner: LinkPartner;
  readonly attackerDomain: Domain;
  readonly attackerPort: GuestPort;
  readonly victim: Victim;
  readonly seed: number;
}

/** The station that stolen bytes are sent to. */
export const DROP_MAC = 0x020000020001;
/** Number of the attacker's mark; secrets are numbered from 0. */
const MARK = 1_000_000;
const INVASION_BYTES = 512;
const PATIENCE_STEP_NS = 1_000;
/** Free pages that may be given out before the one that an attack is about. */
const MOST_PAGES_BEFORE = 1_000;

/**
 * A small machine as an attacker finds it: a hostile guest, a victim with steady traffic, the far end of the cable,
 * and the card itself for when it is the card that turns. Here attacks plant what they are after; what has become of
 * it is looked at afterwards.
 */
export class AttackScenario {
  readonly host: AttackScenarioParts['host'];
  readonly partner: LinkPartner;
  readonly attacker: HostileGuest;
  readonly victim: Victim;
  readonly rogue: RogueDevice;
  /** Sixteen bytes that mark everything that the attacker writes into memory of others. */
  readonly mark: Uint8Array;
  readonly stakes: Stake[] = [];
  /** What the script saw on its way, for the reader. */
  readonly notes: string[] = [];
  readonly #seed: number;
  #secrets = 0;

  constructor(parts: AttackScenarioParts) {
    this.host = parts.host;
    this.partner = parts.partner;
    this.victim = parts.victim;
    this.#seed = parts.seed;
    this.mark = tagOf(parts.seed, MARK);
    this.attacker = new HostileGuest(parts.host, parts.attackerDomain, parts.attackerPort);
    this.rogue = new RogueDevice(parts.host);
  }

  /** Lets the given time pass, ns. */
  run(ns: number): void {
    this.host.kernel.run(this.host.kernel.nowNs + ns);
  }

  note(text: string): void {
    this.notes.push(text);
  }

  /** A page of a domain that holds a secret and is used for nothing else; returns the stake. */
  plant(domain: Domain, label: string): Secret {
    return this.#secretAt(pageAddress(present(domain.allocate(1)[0])), PAGE_BYTES, label);
  }

  /** A secret in a part of a page of another. */
  plantAt(address: number, bytes: number, label: string): Secret {
    return this.#secretAt(address, bytes, label);
  }

  /** A page of the hypervisor's own with a secret in it. */
  plantInHypervisor(label: string): Secret {
    return this.#secretAt(this.host.hypervisor.allocateOwn('hypervisor', PAGE_BYTES), PAGE_BYTES, label);
  }

  /** Puts a structure under watch that its owner goes on using. */
  watch(label: string, address: number): ControlStructure {
    const structure = new ControlStructure(label, hostPhysicalAddress(address), this.mark);
    this.stakes.push(structure);
    return structure;
  }

  /**
   * A page that the attacker releases goes to the victim, which keeps a secret there, as soon as nothing references it any
   * more. False when that takes longer than `patienceNs`.
   */
  handOver(address: number, patienceNs: number): boolean {
    const { pages, kernel } = this.host;
    const page = pageOf(hostPhysicalAddress(address));
    const untilNs = kernel.nowNs + patienceNs;
    this.attacker.release(address);
    while (pages.owner(page) !== NO_OWNER && kernel.nowNs < untilNs) this.run(PATIENCE_STEP_NS);
    if (pages.owner(page) !== NO_OWNER) {
      this.note('the page was not reassigned: it was still referenced');
      return false;
    }
    // What came back last is given out first; a ring that came back later stands before this page.
    let taken = 0;
    while (pages.owner(page) === NO_OWNER && taken < MOST_PAGES_BEFORE) {
      if (!mayAllocate(this.victim.domain))
        throw new NotPlayable('a page that is given up goes to no other guest: each has memory of its own');
      taken += 1;
    }
    if (pages.owner(page) !== this.victim.domain.id)
      throw new InvariantViolation(`page ${page} went elsewhere`);
    this.note('the victim got the page');
    this.#secretAt(address, PAGE_BYTES, 'page that the attacker gave up and the victim got');
    return true;
  }

  /** A page of the attacker's whose next page in memory is the victim's, with a secret in it. */
  neighbours(): { readonly own: GuestPhysicalAddress; readonly foreign: Secret } {
    for (let attempt = 0; attempt < 16; attempt += 1) {
      const own = this.attacker.page();
      const next = pageAfter(pageOf(machineAddress(own)));
      const [page] = this.victim.domain.allocate(1);
      if (page !== next) continue;
      return { own, foreign: this.#secretAt(pageAddress(next), PAGE_BYTES, 'page of the victim') };
    }
    throw new NotPlayable(
      'no page of the victim lies behind one of the attacker: each guest has memory of its own',
    );
  }

  /** The far end sends a frame full of the attacker's mark to a station. */
  sendMarked(mac: number, bytes = INVASION_BYTES): void {
    const frame = tagged(this.mark, bytes);
    frame.set(headerBytes(mac, DROP_MAC).subarray(0, 16), 0);
    this.partner.send(frame, 0, frame.length);
  }

  /** Bytes that carry the mark from end to end. */
  marked(bytes: number): Uint8Array {
    return tagged(this.mark, bytes);
  }

  /** Requester ID of the context that works for a port: its own, or the driver domain's. */
  requesterOf(port: GuestPort): RequesterId {
    const { contexts } = this.host.nic;
    const own = contexts[port.context] ?? contexts.find(({ state }) => state === 'open');
    if (own === undefined) throw new InvariantViolation('the card has no open context');
    return own.requesterId;
  }

  /** Pages of a kind that the hypervisor has, lowest first. */
  hypervisorPages(kind: PageKind): PageNumber[] {
    const { pages } = this.host;
    const found: PageNumber[] = [];
    for (let page = pageNumber(0); page < pages.pageCount; page = pageAfter(page)) {
      if (pages.owner(page) === HYPERVISOR && pages.kind(page) === kind) found.push(page);
    }
    return found;
  }

  /** Checks every stake. */
  look(): void {
    for (const stake of this.stakes) stake.look(this.host.memory);
  }

  /** Secrets among what the device has read without being asked, and frames of the victim that it was sending. */
  get leaked(): readonly string[] {
    const found = new Set<string>();
    const verifier = new FrameVerifier();
    for (const bytes of this.rogue.leaked) {
      for (const { label, tag } of this.stakes)
        if (tag !== undefined && contains(bytes, tag)) found.add(label);
      const isFrame = verifier.verify(bytes, 0, bytes.length) === 'good';
      if (isFrame && verifier.sourceId === this.victim.sourceId)
        found.add('frame that the victim was sending');
    }
    return [...found];
  }

  #secretAt(address: number, bytes: number, label: string): Secret {
    const tag = tagOf(this.#seed, this.#secrets);
    this.#secrets += 1;
    const secret = new Secret(this.host.memory, label, hostPhysicalAddress(address), bytes, tag);
    this.stakes.push(secret);
    return secret;
  }
}

/** Takes a page into use; false when there is none that the domain may have. */
function mayAllocate(domain: Domain): boolean {
  try {
    domain.allocate(1);
    return true;
  } catch (error) {
    if (error instanceof ParameterError) return false;
    throw error;
  }
}
