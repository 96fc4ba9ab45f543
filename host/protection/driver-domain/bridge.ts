import { isGroup } from '../../../nic/demultiplexer.js';
import type { BackEnd } from './back-end.js';

/** Says which guests a frame is for, and whether the wire gets it: by address, as a software bridge does. */
export class Bridge {
  readonly #byMac = new Map<number, BackEnd>();
  readonly #ports: BackEnd[] = [];
  readonly #found: BackEnd[] = [];
  /** Ports that want everything: without one a frame is for the port that has its address, and no other is looked at. */
  #promiscuous = 0;

  has(mac: number): boolean {
    return this.#byMac.has(mac);
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

  /** Whether a frame that a guest sends to `mac` goes out: to any station but one behind the bridge. */
  leaves(mac: number): boolean {
    return isGroup(mac) || !this.#byMac.has(mac);
  }

  /** The guests that a frame to `mac` is for, but `from`. The list is reused by the next call. */
  destinations(mac: number, from: BackEnd | undefined): readonly BackEnd[] {
    const found = this.#found;
    if (found.length > 0) found.length = 0;
    if (this.#promiscuous === 0 && !isGroup(mac)) {
      const port = this.#byMac.get(mac);
      if (port !== undefined && port !== from) found.push(port);
      return found;
    }
    // Group membership is not kept here: a group's frames go to all, as a bridge without snooping sends them.
    const all = isGroup(mac);
    for (const port of this.#ports)
      if (port !== from && (all || port.mac === mac || port.promiscuous)) found.push(port);
    return found;
  }
}
