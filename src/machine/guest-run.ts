import type { NicDriver } from '../../guests/nic-driver.js';
import type { EchoResponder, RequestClient } from '../../guests/traffic/index.js';
import type { Domain } from '../../host/hypervisor/domain.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import type { Share } from '../../scheduler/discipline.js';
import type { GuestSpec } from '../scenario/schema.js';
import type { ReplayedCapture } from './traffic.js';

/** A guest as it runs. */
export interface GuestRun {
  readonly name: string;
  readonly spec: GuestSpec;
  readonly mac: number;
  /** Its share when the run began. */
  readonly share: Share;
  readonly domain: Domain;
  readonly port: GuestPort;
  readonly driver: NicDriver;
  readonly client: RequestClient | undefined;
  /** Who answers its requests, if it sends any. */
  readonly server: ServerOfClient | undefined;
  /** The capture that it replays, if it does. */
  readonly replayed: ReplayedCapture | undefined;
}

/** The other side of a client. */
export interface ServerOfClient {
  readonly responder: EchoResponder;
  /** The guest that it is part of; none where it is the far end. */
  readonly guest: GuestRun | undefined;
}

/** A guest that is a real virtual machine: a domain and an address; its driver is its own. */
export interface AttachedGuest {
  readonly name: string;
  readonly spec: GuestSpec;
  readonly mac: number;
  readonly share: Share;
  readonly domain: Domain;
}
