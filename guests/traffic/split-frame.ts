import type { CapturedFrame } from '../capture/capture.js';
import { byteAt, readU16 } from './frame-format.js';

/** Largest frame on a wire of MTU 1500, without FCS. */
const SEGMENT_FRAME_BYTES = 1514;
const VLAN_TAG_BYTES = 4;
const ETHERTYPE_VLAN = 0x8100;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const PROTOCOL_TCP = 6;
const IPV6_BYTES = 40;
const FLAG_FIN = 0x01;
const FLAG_PSH = 0x08;
const FLAG_CWR = 0x80;

/** Where the headers of a frame of TCP are. */
interface TcpFrame {
  readonly isIpv6: boolean;
  readonly ipAt: number;
  readonly tcpAt: number;
  readonly payloadAt: number;
}

/**
 * Cuts a frame that segmentation or receive offload made (TSO, GRO) into the frames that were on the wire, each of
 * 1,514 bytes and the last of what is left, all at the same time: the headers before each piece, with sequence number,
 * lengths, identification, flags and checksums as a card that segments sets them (FIN and PSH on the last piece, CWR on
 * the first; RFC 3168 section 6.1.2).
 *
 * @returns none when it is no TCP over IPv4 or IPv6 with whole headers: how it was made cannot be determined
 */
export function splitFrame(frame: CapturedFrame): CapturedFrame[] {
  const { bytes } = frame;
  const length = frame.originalLength - frame.fcsBytes;
  const found = tcpFrameOf(bytes);
  if (found === undefined || length <= found.payloadAt) return [];
  const pieceBytes = SEGMENT_FRAME_BYTES - found.payloadAt;
  const pieces: CapturedFrame[] = [];
  for (let at = found.payloadAt, index = 0; at < length; at += pieceBytes, index += 1) {
    const end = Math.min(at + pieceBytes, length);
    const isFirst = index === 0;
    const isLast = end === length;
    const payload = bytes.subarray(at, end);
    const piece = new Uint8Array(found.payloadAt + end - at);
    piece.set(bytes.subarray(0, found.payloadAt));
    // Of a frame that the recorder cut short the rest is zeros, as replay fills it up.
    piece.set(payload, found.payloadAt);
    writeHeaders(piece, found, at - found.payloadAt, index, isFirst, isLast);
    const { timeNs, timed } = frame;
    pieces.push({ timeNs, timed, bytes: piece, originalLength: piece.length, fcsBytes: 0 });
  }
  return pieces;
}

function tcpFrameOf(bytes: Uint8Array): TcpFrame | undefined {
  let typeAt = 12;
  if (readU16(bytes, typeAt) === ETHERTYPE_VLAN) typeAt += VLAN_TAG_BYTES;
  const type = readU16(bytes, typeAt);
  const ipAt = typeAt + 2;
  const isIpv6 = type === ETHERTYPE_IPV6;
  if (!isIpv6 && type !== ETHERTYPE_IPV4) return undefined;
  const protocol = bytes[ipAt + (isIpv6 ? 6 : 9)];
  // A fragment has no TCP header of its own, or belongs to a larger whole.
  const isFragment = !isIpv6 && (readU16(bytes, ipAt + 6) & 0x3fff) !== 0;
  if (protocol !== PROTOCOL_TCP || isFragment) return undefined;
  const tcpAt = ipAt + (isIpv6 ? IPV6_BYTES : 4 * (byteAt(bytes, ipAt) & 0xf));
  const payloadAt = tcpAt + 4 * (byteAt(bytes, tcpAt + 12) >>> 4);
  const isWhole = tcpAt >= ipAt + 20 && payloadAt >= tcpAt + 20 && payloadAt <= bytes.length;
  return isWhole && payloadAt < SEGMENT_FRAME_BYTES ? { isIpv6, ipAt, tcpAt, payloadAt } : undefined;
}

function writeHeaders(
  piece: Uint8Array,
  { isIpv6, ipAt, tcpAt }: TcpFrame,
  sequenceOffset: number,
  index: number,
  isFirst: boolean,
  isLast: boolean,
): void {
  const view = new DataView(piece.buffer);
  if (isIpv6) {
    view.setUint16(ipAt + 4, piece.length - ipAt - IPV6_BYTES);
  } else {
    view.setUint16(ipAt + 2, piece.length - ipAt);
    view.setUint16(ipAt + 4, (view.getUint16(ipAt + 4) + index) & 0xffff);
    view.setUint16(ipAt + 10, 0);
    view.setUint16(ipAt + 10, checksum(sum(piece, ipAt, tcpAt)));
  }
  view.setUint32(tcpAt + 4, (view.getUint32(tcpAt + 4) + sequenceOffset) >>> 0);
  let flags = view.getUint8(tcpAt + 13);
  if (!isLast) flags &= ~(FLAG_FIN | FLAG_PSH);
  if (!isFirst) flags &= ~FLAG_CWR;
  view.setUint8(tcpAt + 13, flags);
  // Pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1): both addresses, length and protocol.
  const addresses = isIpv6 ? sum(piece, ipAt + 8, ipAt + 40) : sum(piece, ipAt + 12, ipAt + 20);
  view.setUint16(tcpAt + 16, 0);
  const whole = addresses + PROTOCOL_TCP + (piece.length - tcpAt) + sum(piece, tcpAt, piece.length);
  view.setUint16(tcpAt + 16, checksum(whole));
}

/** Sum of the 16-bit words of a stretch, the last one filled up with a zero byte (RFC 1071). */
function sum(bytes: Uint8Array, from: number, to: number): number {
  let total = 0;
  for (let at = from; at < to; at += 2)
    total += (byteAt(bytes, at) << 8) | (at + 1 < to ? byteAt(bytes, at + 1) : 0);
  return total;
}

function checksum(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}
