/** How an animation is shown. */
interface Animation {
  readonly width: number;
  readonly height: number;
  /** Of each picture, ms. */
  readonly durationMs: number;
}

/**
 * Puts pictures that are WebP files into one animated WebP that repeats for ever (RFC 9649, section 2.7): each keeps
 * its bitstream, in a frame that covers the whole canvas.
 */
export function animatedWebp(
  pictures: readonly Uint8Array[],
  { width, height, durationMs }: Animation,
): Uint8Array {
  const canvas = new Uint8Array(10);
  canvas[0] = 0x02; // Animation.
  uint24(canvas, 4, width - 1);
  uint24(canvas, 7, height - 1);
  // Background colour, then how often: 0 is for ever.
  const chunks = [chunk('VP8X', canvas), chunk('ANIM', new Uint8Array(6))];
  for (const picture of pictures) {
    const image = imageOf(picture);
    const frame = new Uint8Array(16 + image.length);
    uint24(frame, 6, width - 1);
    uint24(frame, 9, height - 1);
    uint24(frame, 12, durationMs);
    frame[15] = 0x02; // Not blended with the picture before.
    frame.set(image, 16);
    chunks.push(chunk('ANMF', frame));
  }
  const body = concat([ascii('WEBP'), ...chunks]);
  return chunk('RIFF', body);
}

/** The chunks of a WebP file that hold its image, without those that describe the file. */
function imageOf(file: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const images: Uint8Array[] = [];
  for (let at = 12; at + 8 <= file.length; ) {
    const name = String.fromCharCode(...file.subarray(at, at + 4));
    const length = view.getUint32(at + 4, true);
    const end = at + 8 + length + (length % 2);
    if (name === 'VP8 ' || name === 'VP8L' || name === 'ALPH') images.push(file.subarray(at, end));
    at = end;
  }
  if (images.length === 0) throw new Error('a picture holds no image, expected a WebP file');
  return concat(images);
}

function chunk(name: string, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(8 + body.length + (body.length % 2));
  out.set(ascii(name));
  new DataView(out.buffer).setUint32(4, body.length, true);
  out.set(body, 8);
  return out;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

function uint24(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >>> 8) & 0xff;
  bytes[at + 2] = value >>> 16;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
