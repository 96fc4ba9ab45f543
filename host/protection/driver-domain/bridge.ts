import { isGroupAt } from '../../../nic/station-address.js';
import { StationTable } from '../../../nic/station-table.js';
import type { BackEnd } from './back-end.js';

const NOBODY: readonly BackEnd[] = [];

/** Says which guests a frame is for, and whether the wire gets it: by address, as a software bridge does. */
export class Bridge {
  readonly #byMac = new StationTable<BackEnd>();
  readonly #ports: BackEnd[] = [];
  readonly #found: BackEnd[] = [];
  /** Ports that want everything: without one a frame is for the port that has its address, and no other is looked at. */
  #promiscuous = 0;

  has(mac: number): boolean {
    return this.#byMac.get(mac) !== undefined;
  }

  add(port: BackEnd): void {
    this.#byMac.set(port.mac, port);
    this.#ports.push(port);
    if (port.promiscuous) this.#promiscuous += 1;
  }

  remove(port: BackEnd): void {
    this.#byMac.delete(port.mac);
    if (port.promiscuous) this.#promiscuous -= 1;
    this.#ports.splice(this.#ports.indexOf(port), 1);
  }

  /** Whether a frame of a guest goes out: to any station but one behind the bridge. @param head its first bytes */
  leaves(head: Uint8Array): boolean {
    return isGroupAt(head, 0) || this.#byMac.at(head, 0) === undefined;
  }

  /** The guests that a frame is for, but `from`. The list is reused by the next call. @param head its first bytes */
  destinations(head: Uint8Array, from: BackEnd | undefined): readonly BackEnd[] {
    // Group membership is not kept here: a group's frames go to all, as a bridge without snooping sends them.
    const all = isGroupAt(head, 0);
    const found = this.#found;
    let count = 0;
    if (this.#promiscuous === 0 && !all) {
      const port = this.#byMac.at(head, 0);
      if (port === undefined || port === from) return NOBODY;
      found[0] = port;
      if (found.length !== 1) found.length = 1;
      return found;
    }
    for (const port of this.#ports) {
      if (port === from || !(all || port.promiscuous || port.isMacAt(head, 0))) continue;
      found[count] = port;
      count += 1;
    }
    // A list that is emptied gives its memory away.
    if (found.length !== count) found.length = count;
    return found;
  }
}
