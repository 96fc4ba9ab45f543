import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { parseCapture } from '../../../guests/capture/index.js';

test('what unpacks without end is refused before it fills memory', () => {
  // A gzip file may have several members, which unpack one after the other (RFC 1952, section 2.2).
  const member = gzipSync(new Uint8Array(50 * 2 ** 20), { level: 1 });
  const bomb = Buffer.concat(Array.from({ length: 12 }, () => member));
  expect(() => parseCapture('bomb.gz', bomb)).toThrow(
    'bomb.gz: byte 0: the gzip file is more than 512 MiB when unpacked, expected less',
  );
});
