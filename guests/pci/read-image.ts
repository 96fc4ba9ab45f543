/** Copies what a configuration space holds from `offset` on; past its end it reads as zero. */
export function readImage(image: Uint8Array, offset: number, target: Uint8Array): void {
  target.fill(0);
  target.set(image.subarray(offset, offset + target.length));
}
