import type { Host } from '../../host/host.js';
import { hostPhysicalAddress } from '../../nic/addresses.js';

/** Memory as somebody reads it who looks at a machine from outside: 32-bit words at plain physical addresses. */
export interface Words {
  readU32(address: number): number;
}

/** The memory of a host, to be read and never written. */
export function wordsOf({ memory }: Host): Words {
  return { readU32: (address) => memory.readU32(hostPhysicalAddress(address)) };
}
