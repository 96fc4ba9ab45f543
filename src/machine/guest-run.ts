import type { NicDriver } from '../../guests/nic-driver.js';
import type { RequestClient } from '../../guests/traffic/index.js';
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
  /** The capture that it replays, if it does. */
  readonly replayed: ReplayedCapture | undefined;
}

/** A guest that is a real virtual machine: a domain and an address; its driver is its own. */
export interface AttachedGuest {
  readonly name: string;
  readonly spec: GuestSpec;
  readonly mac: number;
  readonly share: Share;
  readonly domain: Domain;
}
