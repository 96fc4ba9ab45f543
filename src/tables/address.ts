/** Hexadecimal as software prints addresses. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/**
 * The address of a page as text. IOVAs may have 64 bits, which a number does not hold exactly, so the tables
 * code carries page numbers and adds the three zero digits here.
 */
export function pageHex(page: number): string {
  return page === 0 ? '0x0' : `${hex(page)}000`;
}

/** The last byte of the page before `endPage`, as text. */
export function lastByteHex(endPage: number): string {
  return endPage === 1 ? '0xfff' : `${hex(endPage - 1)}fff`;
}

/** `00:1f.2` for requester ID 0xfa. */
export function requesterText(requesterId: number): string {
  const two = (value: number) => value.toString(16).padStart(2, '0');
  return `${two(requesterId >>> 8)}:${two((requesterId >>> 3) & 31)}.${requesterId & 7}`;
}

/** A non-negative whole number given as a number, as `0x` and hexadecimal digits, or as decimal digits. */
export function parseWhole(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined;
  if (typeof value !== 'string' || !/^(0x[0-9a-f]+|[0-9]+)$/i.test(value)) return undefined;
  return BigInt(value);
}

/** Page number of a 4 KB aligned address of up to `bits` bits. */
export function parsePage(value: unknown, bits: number): number | undefined {
  // Nearly all addresses are short hexadecimal text, and there may be millions: no big integers for those.
  if (typeof value === 'string' && value.length < 15 && /^0x[0-9a-f]+$/i.test(value)) {
    const short = Number(value);
    return short % 4096 === 0 && short < 2 ** bits ? short / 4096 : undefined;
  }
  const address = parseWhole(value);
  if (address === undefined || address >> BigInt(bits) !== 0n || (address & 0xfffn) !== 0n) return undefined;
  return Number(address >> 12n);
}

/** A requester ID: 16 bits as a number or text, or `bus:device.function`, with or without a segment. */
export function parseRequester(value: unknown): number | undefined {
  const parts =
    typeof value === 'string' ? /^(?:[0-9a-f]{4}:)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i.exec(value) : null;
  if (parts !== null) {
    const [, bus = '', device = '', fn = ''] = parts;
    const number = Number.parseInt(device, 16);
    return number < 32 ? (Number.parseInt(bus, 16) << 8) | (number << 3) | Number(fn) : undefined;
  }
  const id = parseWhole(value);
  return id !== undefined && id <= 0xffffn ? Number(id) : undefined;
}
