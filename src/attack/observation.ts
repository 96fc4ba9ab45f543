/** How the victim was served over a run. */
export interface Service {
  /** Its frames that left the port with every byte as it should be. */
  readonly sent: number;
  /** Frames for it that reached its memory, likewise. */
  readonly received: number;
  /** Longest time in which none left, or none arrived, ns. */
  readonly longestSilenceNs: number;
}

/** What a run with an attack in it looked like from outside: memory, wire, faults, service. */
export interface Observation {
  /** What was at stake and is not as it was. */
  readonly changed: readonly { readonly what: string; readonly bytes: number }[];
  /** What was at stake and was seen where it must not be: on the wire, or in the hands of a card that took it. */
  readonly leaked: readonly {
    readonly what: string;
    readonly to: 'wire' | 'card';
    readonly frames: number;
  }[];
  /** Frames of the victim, or for it, with a wrong byte. */
  readonly damagedFrames: number;
  /** Frames on the wire that claim to come from the victim and do not. */
  readonly impostorFrames: number;
  /** Interrupt messages of a device that reached the hypervisor. */
  readonly strayMessages: number;
  /** Requests of the attacker that the set-up gate refused, by reason. */
  readonly setUpRefusals: Readonly<Record<string, number>>;
  /** CPU stores and register accesses of the attacker that the MMU stopped. */
  readonly pageFaults: number;
  /** Pages that the attacker released and no other could get, since they were pinned. */
  readonly withheldPages: number;
  /** DMA accesses that the access gate, or the absence of memory, stopped. */
  readonly deniedAccesses: number;
  /** Faults by which the card stopped a context, by reason. */
  readonly cardFaults: Readonly<Record<string, number>>;
  /** Frames that the card dropped for the attacker, or the bridge of a driver domain for any port, by reason. */
  readonly drops: Readonly<Record<string, number>>;
  readonly service: Service;
  readonly notes: readonly string[];
}
