import { GUEST_DRIVEN } from '../../../host/protection/iommu/guest-driven/name.js';
import type { SessionSubject } from '../live-plan.js';
import { DescriptorNumbers } from '../vfio-user/interrupt-descriptors.js';
import { DescriptorReader } from './descriptor-reader.js';
import { ReceivedDescriptors } from './received-descriptors.js';
import { SocketCalls } from './socket-calls.js';

/** What takes file descriptors off sockets, and keeps those of each guest. */
export interface DescriptorService {
  readonly reader: DescriptorReader;
  /** Descriptors of a guest, whose RAM is the file at a path. */
  of(guest: number, ramPath: string): ReceivedDescriptors;
  /** Nothing is read or signalled any more. */
  close(): void;
}

/**
 * The service where an approach needs it; undefined elsewhere. Behind a guest's own IOMMU a virtio card cannot read its
 * MSI-X table, and the virtual machine's eventfds are the only way to interrupt.
 * @throws LiveError where koffi is missing, or is not for this machine.
 */
export function descriptorService({ protection, scenario }: SessionSubject): DescriptorService | undefined {
  const virtio = scenario.guests.some(({ attached, card }) => attached === true && card !== 'cdna');
  if (protection !== GUEST_DRIVEN || !virtio) return undefined;
  const calls = new SocketCalls(`protection is "${protection}"`);
  const numbers = new DescriptorNumbers();
  const reader = new DescriptorReader(calls);
  return {
    reader,
    of: (guest, ramPath) => new ReceivedDescriptors(calls, guest, numbers, ramPath),
    close: () => {
      reader.close();
      calls.close();
    },
  };
}
