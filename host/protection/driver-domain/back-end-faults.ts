import type { SetupRefusal } from '../guest-port.js';

/** Requests that one frame may take (Xen allows 18). */
export const MAX_CHAIN = 18;

/** Where the two halves of a back end take a guest's mistakes. */
export interface BackEndFaults {
  /** A fault has cost the guest its port: nothing of its rings may be touched any more. */
  readonly closed: boolean;
  /** A request that is refused. */
  report(refusal: SetupRefusal, direction: 'transmit' | 'receive', reference: number, length: number): void;
  /** The ring itself is beyond sense: nothing in it can be trusted to be where it should. The port is closed. */
  giveUp(requests: number): void;
}
