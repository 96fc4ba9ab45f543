import { byteAt, readU16 } from '../traffic/frame-format.js';
import type { CapturedFrame } from './capture.js';

/** A packet as the file has it, before its link layer is looked at. */
export interface RecordedPacket {
  readonly timeNs: bigint;
  readonly timed: boolean;
  readonly bytes: Uint8Array;
  readonly originalLength: number;
  readonly fcsBytes: number;
}

/** How the packets of one link type become Ethernet frames. Numbers are those of tcpdump.org/linktypes.html. */
export interface LinkLayer {
  /** Whether the Ethernet header is made up, since the link has none. */
  readonly synthesises: boolean;
  /** Undefined for a packet that carries nothing that Ethernet could. */
  toEthernet(packet: RecordedPacket): CapturedFrame | undefined;
}

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
/** Smallest EtherType; below it the field is a length (IEEE 802.3, 3.2.6). */
const LEAST_ETHERTYPE = 0x0600;
const HEADER_BYTES = 14;

/** Stands for the recording host on links that do not say its address; locally administered. */
const RECORDER_MAC = [0x02, 0, 0, 0, 0xff, 0x01];
/** Stands for the peer of the recording host, likewise. */
const OTHER_MAC = [0x02, 0, 0, 0, 0xff, 0x02];
const BROADCAST_MAC = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

const ethernet: LinkLayer = { synthesises: false, toEthernet: (packet) => packet };

/** Raw IP: both addresses are derived from those of IP, so that stations stay apart. */
const rawIp: LinkLayer = { synthesises: true, toEthernet: (packet) => fromIp(packet, 0) };

/** BSD loopback: an address family of four bytes in either byte order, then IP; its own version says which. */
const loopback: LinkLayer = { synthesises: true, toEthernet: (packet) => fromIp(packet, 4) };

/** Linux cooked capture, LINKTYPE_LINUX_SLL: 16 bytes. */
const linuxSll: LinkLayer = {
  synthesises: true,
  toEthernet: (packet) =>
    packet.bytes.length < 16
      ? undefined
      : cooked(packet, 16, {
          packetType: readU16(packet.bytes, 0),
          addressBytes: readU16(packet.bytes, 4),
          addressAt: 6,
          protocol: readU16(packet.bytes, 14),
        }),
};

/** Linux cooked capture of the second version, LINKTYPE_LINUX_SLL2: 20 bytes. */
const linuxSll2: LinkLayer = {
  synthesises: true,
  toEthernet: (packet) =>
    packet.bytes.length < 20
      ? undefined
      : cooked(packet, 20, {
          packetType: byteAt(packet.bytes, 10),
          addressBytes: byteAt(packet.bytes, 11),
          addressAt: 12,
          protocol: readU16(packet.bytes, 0),
        }),
};

const LINK_LAYERS: Readonly<Record<number, LinkLayer>> = {
  0: loopback,
  1: ethernet,
  // Raw IP has three numbers: LINKTYPE_RAW, and DLT_RAW of most systems and of OpenBSD, which files have too.
  12: rawIp,
  14: rawIp,
  101: rawIp,
  108: loopback,
  113: linuxSll,
  228: rawIp,
  229: rawIp,
  276: linuxSll2,
};

/** Link types that are read, for messages. */
export const READABLE_LINKS =
  'ETHERNET (1), NULL (0), LOOP (108), RAW (101), IPV4 (228), IPV6 (229), LINUX_SLL (113) or LINUX_SLL2 (276)';

/** How packets of a link type are read; undefined for one that is not. */
export function linkLayerOf(linkType: number): LinkLayer | undefined {
  return LINK_LAYERS[linkType];
}

interface CookedHeader {
  /** 0 to us, 1 broadcast, 2 multicast, 3 to another host, 4 from us. */
  readonly packetType: number;
  /** Of the sender's address, for which there are eight bytes. */
  readonly addressBytes: number;
  readonly addressAt: number;
  readonly protocol: number;
}

const FROM_US = 4;

function cooked(packet: RecordedPacket, headerBytes: number, header: CookedHeader): CapturedFrame {
  const { packetType, addressBytes, addressAt, protocol } = header;
  const given = packet.bytes.subarray(addressAt, addressAt + 6);
  const isGiven = addressBytes === 6 && given.some((byte) => byte !== 0);
  // The recorder's own address stands in what it sends alone, so it is one made-up address in both directions.
  const source = packetType === FROM_US ? RECORDER_MAC : isGiven ? given : OTHER_MAC;
  const payload = packet.bytes.subarray(headerBytes);
  const destination =
    packetType === 1
      ? BROADCAST_MAC
      : packetType === 2
        ? multicastMac(payload)
        : packetType === 0
          ? RECORDER_MAC
          : OTHER_MAC;
  const length = packet.originalLength - headerBytes;
  return framed(packet, headerBytes, destination, source, protocol >= LEAST_ETHERTYPE ? protocol : length);
}

function fromIp(packet: RecordedPacket, headerBytes: number): CapturedFrame | undefined {
  const payload = packet.bytes.subarray(headerBytes);
  const version = byteAt(payload, 0) >>> 4;
  if (version === 4 && payload.length >= 20) {
    const source = stationMac(payload.subarray(12, 16));
    const to = payload.subarray(16, 20);
    const destination = isGroup4(to) ? multicastMac(payload) : stationMac(to);
    return framed(packet, headerBytes, destination, source, ETHERTYPE_IPV4);
  }
  if (version === 6 && payload.length >= 40) {
    const source = stationMac(payload.subarray(8, 24));
    const to = payload.subarray(24, 40);
    const destination = to[0] === 0xff ? multicastMac(payload) : stationMac(to);
    return framed(packet, headerBytes, destination, source, ETHERTYPE_IPV6);
  }
  return undefined;
}

/** Puts an Ethernet header in the place of the link's own. */
function framed(
  packet: RecordedPacket,
  headerBytes: number,
  destination: ArrayLike<number>,
  source: ArrayLike<number>,
  type: number,
): CapturedFrame {
  const payload = packet.bytes.subarray(headerBytes);
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  bytes.set(destination, 0);
  bytes.set(source, 6);
  bytes[12] = type >>> 8;
  bytes[13] = type & 0xff;
  bytes.set(payload, HEADER_BYTES);
  const originalLength = packet.originalLength - headerBytes + HEADER_BYTES;
  return { timeNs: packet.timeNs, timed: packet.timed, bytes, originalLength, fcsBytes: 0 };
}

function isGroup4(address: Uint8Array): boolean {
  const first = byteAt(address, 0);
  return first >= 224 && (first < 240 || address.every((byte) => byte === 255));
}

/** Group addresses of IP on Ethernet: RFC 1112 section 6.4, RFC 2464 section 7. */
function multicastMac(payload: Uint8Array): readonly number[] {
  const version = byteAt(payload, 0) >>> 4;
  if (version === 6 && payload.length >= 40) return [0x33, 0x33, ...payload.subarray(36, 40)];
  if (version === 4 && payload.length >= 20) {
    const to = payload.subarray(16, 20);
    if (to.every((byte) => byte === 255)) return BROADCAST_MAC;
    return [0x01, 0x00, 0x5e, byteAt(to, 1) & 0x7f, byteAt(to, 2), byteAt(to, 3)];
  }
  return BROADCAST_MAC;
}

/** A locally administered address for an IP address: its four bytes, or a 32-bit FNV-1a hash of the sixteen. */
function stationMac(address: Uint8Array): readonly number[] {
  if (address.length === 4) return [0x02, 0x04, ...address];
  let hash = 0x811c9dc5;
  for (const byte of address) hash = Math.imul(hash ^ byte, 0x01000193);
  return [0x02, 0x06, hash >>> 24, (hash >>> 16) & 0xff, (hash >>> 8) & 0xff, hash & 0xff];
}
