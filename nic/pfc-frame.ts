import { present } from '../scheduler/present.js';
import { PADDED_FRAME_BYTES } from './descriptor.js';
import { ETHERTYPE_MAC_CONTROL } from './mac-control.js';

/** Traffic classes that a link tells apart: the priorities of IEEE 802.1Q. */
export const TRAFFIC_CLASSES = 8;
/** Opcode of priority-based flow control (IEEE 802.3, annex 31D). */
const PFC_OPCODE = 0x0101;
/** The longest pause that a frame can ask for, quanta of 512 bit times. */
export const MOST_QUANTA = 0xffff;
/** Source address of the card's own frames: locally administered, and of no guest. */
export const PORT_ADDRESS = 0x020000000000;

/** Where MAC control frames go: 01-80-C2-00-00-01, which no bridge forwards. */
const CONTROL_ADDRESS = 0x0180c2000001;
const TYPE_AT = 12;
const OPCODE_AT = 14;
/** The class enable vector: bit n of its second byte says that timer n counts (802.3, 31D.3). */
const VECTOR_AT = 16;
const TIMERS_AT = 18;
const END = TIMERS_AT + 2 * TRAFFIC_CLASSES;

/** Whether a frame that has arrived is one of priority-based flow control (IEEE 802.1Q, clause 36). */
export function isPfc(bytes: Uint8Array, offset: number, length: number): boolean {
  return (
    length >= END &&
    word(bytes, offset + TYPE_AT) === ETHERTYPE_MAC_CONTROL &&
    word(bytes, offset + OPCODE_AT) === PFC_OPCODE &&
    word(bytes, offset) * 2 ** 32 + word(bytes, offset + 2) * 2 ** 16 + word(bytes, offset + 4) ===
      CONTROL_ADDRESS
  );
}

/** Quanta that such a frame asks a class to pause for, 0 to go on, or undefined if it says nothing of it. */
export function pfcQuanta(bytes: Uint8Array, offset: number, trafficClass: number): number | undefined {
  const isEnabled = (present(bytes[offset + VECTOR_AT + 1]) & (1 << trafficClass)) !== 0;
  return isEnabled ? word(bytes, offset + TIMERS_AT + 2 * trafficClass) : undefined;
}

/**
 * Such a frame, padded. @param source address of the port that sends it.
 * @param quanta by class, 0 to 65,535; undefined for a class that it says nothing of.
 */
export function pfcFrame(source: number, quanta: readonly (number | undefined)[]): Uint8Array {
  const bytes = new Uint8Array(PADDED_FRAME_BYTES);
  const view = new DataView(bytes.buffer);
  putAddress(view, 0, CONTROL_ADDRESS);
  putAddress(view, 6, source);
  view.setUint16(TYPE_AT, ETHERTYPE_MAC_CONTROL);
  view.setUint16(OPCODE_AT, PFC_OPCODE);
  let vector = 0;
  for (const [trafficClass, time] of quanta.entries()) {
    if (time === undefined) continue;
    vector |= 1 << trafficClass;
    view.setUint16(TIMERS_AT + 2 * trafficClass, time);
  }
  view.setUint16(VECTOR_AT, vector);
  return bytes;
}

function putAddress(view: DataView, at: number, address: number): void {
  view.setUint16(at, Math.floor(address / 2 ** 32));
  view.setUint32(at + 2, address % 2 ** 32);
}

function word(bytes: Uint8Array, at: number): number {
  return present(bytes[at]) * 256 + present(bytes[at + 1]);
}
