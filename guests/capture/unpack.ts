import { createRequire } from 'node:module';
import * as zlib from 'node:zlib';
import type { CaptureBytes } from './capture-bytes.js';

/** Largest size of an unpacked capture: a few kilobytes can unpack to any amount of zeros. */
const MOST_UNPACKED_BYTES = 2 ** 29;

/**
 * Unpacks a capture. A packed file whose tail is cut gives what can be unpacked of it.
 * @throws CaptureError when it is damaged or too large, or nothing here reads zstd
 */
export function unpack(source: CaptureBytes, packing: 'gzip' | 'zstd'): Uint8Array {
  if (source.length > MOST_UNPACKED_BYTES) tooLarge(source, packing);
  const packed = source.view(0, source.length, 'the file');
  try {
    const unpacked = packing === 'gzip' ? gunzip(packed) : unzstd(source, packed);
    return new Uint8Array(unpacked.buffer, unpacked.byteOffset, unpacked.byteLength);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') tooLarge(source, packing);
    if (cause instanceof Error && cause.name === 'CaptureError') throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return source.fail(0, `the ${packing} file`, `damaged (${reason})`, 'one that can be unpacked');
  }
}

function gunzip(packed: Uint8Array): Uint8Array {
  // Z_SYNC_FLUSH: an end that is missing is no error.
  return zlib.gunzipSync(packed, {
    maxOutputLength: MOST_UNPACKED_BYTES,
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
  });
}

function unzstd(source: CaptureBytes, packed: Uint8Array): Uint8Array {
  const native = (zlib as { zstdDecompressSync?: typeof zlib.gunzipSync }).zstdDecompressSync;
  if (native !== undefined) return native(packed, { maxOutputLength: MOST_UNPACKED_BYTES });
  return unzstdInScript(source, packed);
}

/** As Node before 22.15 has to. */
function unzstdInScript(source: CaptureBytes, packed: Uint8Array): Uint8Array {
  const { Decompress } = zstdLibrary(source);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const stream = new Decompress((part) => {
    bytes += part.length;
    if (bytes > MOST_UNPACKED_BYTES) tooLarge(source, 'zstd');
    parts.push(part);
  });
  // In pieces, so that the output is counted on the way.
  const PIECE_BYTES = 1 << 16;
  for (let at = 0; at < packed.length; at += PIECE_BYTES) {
    stream.push(packed.subarray(at, at + PIECE_BYTES), at + PIECE_BYTES >= packed.length);
  }
  return Buffer.concat(parts);
}

function zstdLibrary(source: CaptureBytes): typeof import('fzstd') {
  try {
    return createRequire(import.meta.url)('fzstd') as typeof import('fzstd');
  } catch {
    return source.fail(
      0,
      'magic number',
      'a zstd file',
      'Node 22.15 or later, or the package fzstd (npm install fzstd), or a file that is unpacked (unzstd)',
    );
  }
}

function tooLarge(source: CaptureBytes, packing: string): never {
  return source.fail(
    0,
    `the ${packing} file`,
    `more than ${MOST_UNPACKED_BYTES / 2 ** 20} MiB when unpacked`,
    'less; a capture that is not packed may have any size',
  );
}
