/** EtherType of MAC control frames, PAUSE among them (IEEE 802.3, clause 31). */
export const ETHERTYPE_MAC_CONTROL = 0x8808;
/** Opcode of PAUSE (IEEE 802.3, annex 31B). */
const PAUSE_OPCODE = 0x0001;
/** A PAUSE gives its time as a multiple of 512 bit times. */
export const PAUSE_QUANTUM_BITS = 512;

/**
 * Whether a frame is for the port at the other end of the cable and for no station: a MAC control frame, or one to
 * 01-80-C2-00-00-00 to -0F, which no bridge forwards (IEEE 802.1Q, table 8-1). A guest that could send one would stop
 * the port of all guests (Smolyar, Ben-Yehuda and Tsafrir, "Securing Self-Virtualizing Ethernet Devices", USENIX
 * Security 2015).
 */
export function isMacControl(bytes: Uint8Array, offset: number): boolean {
  if (bytes[offset + 12] === 0x88 && bytes[offset + 13] === 0x08) return true;
  return (
    bytes[offset] === 0x01 &&
    bytes[offset + 1] === 0x80 &&
    bytes[offset + 2] === 0xc2 &&
    bytes[offset + 3] === 0x00 &&
    bytes[offset + 4] === 0x00 &&
    (bytes[offset + 5] ?? 0xff) <= 0x0f
  );
}

/** Quanta that a frame asks its receiver to pause for, or undefined if it is no PAUSE frame. */
export function pauseQuanta(bytes: Uint8Array, offset: number, length: number): number | undefined {
  if (length < 18 || bytes[offset + 12] !== 0x88 || bytes[offset + 13] !== 0x08) return undefined;
  const [high, low, quantaHigh, quantaLow] = bytes.subarray(offset + 14, offset + 18);
  if (high === undefined || low === undefined || (high << 8) + low !== PAUSE_OPCODE) return undefined;
  if (quantaHigh === undefined || quantaLow === undefined) return undefined;
  return (quantaHigh << 8) + quantaLow;
}
