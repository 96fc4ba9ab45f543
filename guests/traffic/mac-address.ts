import { byteAt } from './frame-format.js';
import { TrafficError } from './traffic-source.js';

/** A MAC address as one number of 48 bits, the first byte on the wire highest: 02:00:00:00:00:07 is 0x020000000007. */
export type MacAddress = number;

/** Whether it stands for several stations: the lowest bit of the first byte (IEEE 802-2014, section 8.2). */
export function isGroupAddress(address: MacAddress): boolean {
  return (Math.floor(address / 2 ** 40) & 1) === 1;
}

export function readMac(bytes: Uint8Array, offset: number): MacAddress {
  let address = 0;
  for (let index = 0; index < 6; index += 1) address = address * 256 + byteAt(bytes, offset + index);
  return address;
}

export function writeMac(bytes: Uint8Array, offset: number, address: MacAddress): void {
  let rest = address;
  for (let index = 5; index >= 0; index -= 1) {
    bytes[offset + index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

/** @throws TrafficError unless `address` is a MAC address; with `station`, unless it is that of one station. */
export function checkMac(name: string, field: string, address: MacAddress, station: boolean): MacAddress {
  const possible = Number.isSafeInteger(address) && address >= 0 && address < 2 ** 48;
  if (!possible || (station && isGroupAddress(address))) {
    const expected = station ? 'the 48-bit address of one station (not a group)' : 'a 48-bit number';
    throw new TrafficError(name, field, possible ? `0x${address.toString(16)}` : address, expected);
  }
  return address;
}

/** As people write it: `02:00:00:00:00:07`. */
export function formatMac(address: MacAddress): string {
  const digits = address.toString(16).padStart(12, '0');
  return [0, 2, 4, 6, 8, 10].map((at) => digits.slice(at, at + 2)).join(':');
}
