/**
 * The seed of a run of a point; the same for each point, so that points differ only in what they are about.
 *
 * A machine gives its sources the run's seed, each changed by an exclusive or. Were runs told apart in such a linear
 * way too, source i of run j would have what source j of run i has. So the steps between runs go through the
 * finaliser of MurmurHash3 (A. Appleby, public domain), which is not linear and never takes two runs to one seed.
 *
 * @param run from 0
 */
export function seedOfRun(seed: number, run: number): number {
  let mixed = (seed + Math.imul(run + 1, 0x9e3779b9)) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
