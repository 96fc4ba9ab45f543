import { frame } from './frames.js';

const FLOW_CONTROL = 0x0180c2000001;

/**
 * A frame of priority-based flow control, byte by byte from IEEE 802.3, annex 31D: to 01-80-C2-00-00-01, EtherType 8808h,
 * opcode 0101h, the class enable vector, and eight timers. @param times by class, quanta of 512 bit times.
 */
export function pfc(times: Readonly<Record<number, number>>, to = FLOW_CONTROL): Uint8Array {
  const bytes = frame(60, to);
  bytes.fill(0, 12);
  bytes.set([0x88, 0x08, 0x01, 0x01], 12);
  for (const [trafficClass, quanta] of Object.entries(times)) {
    const number = Number(trafficClass);
    bytes[17] = (bytes[17] ?? 0) | (1 << number);
    bytes[18 + 2 * number] = quanta >> 8;
    bytes[19 + 2 * number] = quanta & 0xff;
  }
  return bytes;
}

/** What such a frame says, by class; undefined for any other frame. */
export function timesOf(bytes: Uint8Array): Record<number, number> | undefined {
  const head = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x01];
  if (head.some((byte, at) => bytes[at] !== byte) || bytes.length !== 60) return undefined;
  if (bytes[12] !== 0x88 || bytes[13] !== 0x08 || bytes[14] !== 0x01 || bytes[15] !== 0x01) return undefined;
  if (bytes[16] !== 0 || bytes.subarray(34).some((byte) => byte !== 0)) return undefined;
  const times: Record<number, number> = {};
  for (let trafficClass = 0; trafficClass < 8; trafficClass += 1)
    if (((bytes[17] ?? 0) >> trafficClass) & 1)
      times[trafficClass] = (bytes[18 + 2 * trafficClass] ?? 0) * 256 + (bytes[19 + 2 * trafficClass] ?? 0);
  return times;
}
