/** A way for the driver of the card's own registers to break a rule. */
export interface CardFaultDefinition {
  readonly name: string;
  readonly meaning: string;
}

const fault = <Name extends string>(name: Name, meaning: string) => ({ name, meaning }) as const;

/** What is counted as a fault of such a driver. The last one tells of a context that is gone; the others take none. */
export const CARD_FAULTS = [
  fault('no-such-call', 'A hypercall that does not exist, or not under this approach'),
  fault('call-while-busy', 'A hypercall before the one before it has ended'),
  fault('wrong-state', 'A hypercall that needs an open context, or none'),
  fault('bad-rings', 'Rings that do not lie in the memory of the guest'),
  fault('bad-requests', 'Requests that do not lie in the memory of the guest, or none, or too many'),
  fault('no-context', 'The card has no context left, or the approach can use none'),
  fault('ring-write', 'A write to rings that only the hypervisor may write'),
  fault('context-stopped', 'The card has stopped the context, or the hypervisor has taken it away'),
] as const satisfies readonly CardFaultDefinition[];

export type CardFault = (typeof CARD_FAULTS)[number]['name'];
