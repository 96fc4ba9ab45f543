/** Widths of characters in a typical sans serif face, in thousandths of its size (DejaVu Sans, the widest that is common). */
const WIDTHS: readonly (readonly [characters: string, width: number])[] = [
  ["ijl|'!,.:;I ", 330],
  ['frt()[]/-"`', 430],
  ['cksvxyzJ', 590],
  ['ABEKPSVXYZ&', 720],
  ['CDGHNOQRUw', 790],
  ['mMW%@+=', 920],
];
const ORDINARY_WIDTH = 640;

const WIDTH_OF = new Map(
  WIDTHS.flatMap(([characters, width]) => [...characters].map((character) => [character, width] as const)),
);

/**
 * How wide a line of text is about, px. Without a browser it cannot be known exactly; space is kept by this, and it is
 * the same on every machine, whatever fonts are there.
 */
export function textWidth(text: string, fontPixels: number): number {
  let thousandths = 0;
  for (const character of text) thousandths += WIDTH_OF.get(character) ?? ORDINARY_WIDTH;
  return Math.ceil((thousandths * fontPixels) / 1000);
}
