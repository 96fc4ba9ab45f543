const ENCODER = new TextEncoder();

/** UTF-8 takes at most three bytes for each unit of a JavaScript string. */
export const MOST_BYTES_PER_UNIT = 3;

/** Writes a text of ASCII alone, as nearly all are, without a call of an encoder; returns the offset behind it, or -1 if it is another. */
export function putAscii(bytes: Uint8Array, at: number, text: string): number {
  const { length } = text;
  for (let index = 0; index < length; index += 1) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) return -1;
    bytes[at + index] = code;
  }
  return at + length;
}

/** Writes a text as UTF-8 where there is room for it; returns the offset behind it. */
export function putUtf8(bytes: Uint8Array, at: number, text: string): number {
  const end = putAscii(bytes, at, text);
  return end >= 0 ? end : at + ENCODER.encodeInto(text, bytes.subarray(at)).written;
}
