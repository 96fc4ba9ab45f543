/** A way for a driver to break the rules of a virtqueue. */
export interface QueueFaultDefinition {
  readonly name: string;
  readonly meaning: string;
}

const fault = <Name extends string>(name: Name, meaning: string) => ({ name, meaning }) as const;

/** Everything that stops a device until its driver resets it, in the order in which the front end can notice it. */
const QUEUE_FAULTS = [
  fault('features-not-agreed', 'DRIVER_OK without FEATURES_OK'),
  fault('no-context', 'The card has no context left, or the approach can use none'),
  fault('ring-not-in-memory', 'A ring or table is not in the memory of the guest'),
  fault('available-index-ahead', 'The available index is further ahead than the ring has entries'),
  fault('descriptor-index', 'A descriptor index is beyond its table'),
  fault('chain-too-long', 'A chain has more descriptors than 64, or a loop'),
  fault('bad-indirect-table', 'An indirect table was not agreed on, is nested, empty, or of a wrong length'),
  fault('wrong-direction', 'A buffer to be read is marked for writing, or the other way round'),
  fault('address-beyond-bus', 'An address is beyond 2^53, which no bus here has'),
  fault('no-room-for-header', 'A chain is too short for the header of a frame and a byte of it'),
  fault('scattered-receive-buffer', 'A receive buffer is not one piece behind its header'),
  fault('frame-cut-by-refusal', 'A frame was refused after a part of it was handed to the card'),
  fault('context-stopped', 'The card has stopped the context, or the hypervisor has taken it away'),
] as const satisfies readonly QueueFaultDefinition[];

export type QueueFault = (typeof QUEUE_FAULTS)[number]['name'];
