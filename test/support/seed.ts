/**
 * The seed of every property of this run. Fixed, so that a red run can be repeated; `CDNA_SEED=random`
 * (or a number) searches elsewhere. It is printed at the end of the run.
 */
export const propertySeed: number = readSeed(process.env.CDNA_SEED);

function readSeed(text: string | undefined): number {
  if (text === undefined || text === '') return 20070212;
  if (text === 'random') return (process.hrtime()[1] ^ process.pid) | 0;
  const seed = Number(text);
  if (!Number.isInteger(seed)) throw new Error(`CDNA_SEED is "${text}", expected a whole number or "random"`);
  return seed;
}
