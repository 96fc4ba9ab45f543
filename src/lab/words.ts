import type { Host } from '../../host/host.js';
import { hostPhysicalAddress } from '../../nic/addresses.js';

/** Memory as an inspector reads it from outside of the machine: 32-bit words at plain physical addresses. */
export interface Words {
  readU32(address: number): number;
}

/** The memory of a host, to be read and never written. */
export function wordsOf({ memory }: Host): Words {
  return { readU32: (address) => memory.readU32(hostPhysicalAddress(address)) };
}
