/** One frame per visit, in the order of context numbers: enough of a discipline to be run. */
export const DISCIPLINE = `
class Smallest {
  name = 'smallest-number';
  waiting = new Set<number>();
  join() {}
  leave(context: number) { this.waiting.delete(context); }
  activate(context: number) { this.waiting.add(context); }
  select(): ContextId { return this.waiting.size === 0 ? -1 : Math.min(...this.waiting); }
  served(context: number, _bytes: number, next: number) { if (next === 0) this.waiting.delete(context); }
  withdraw(context: number) { this.waiting.delete(context); }
  relativeFairnessBoundBytes() { return Infinity; }
  checkInvariants() {}
}
export default () => new Smallest();
`;
/** Plain DMA under another name: what is loaded is told by what it is called. */
export const APPROACH = `
import type { ContextId } from '../../../scheduler/branded.js';
import { makeProtection } from ${JSON.stringify(new URL('../../../host/protection/approaches.ts', import.meta.url).href)};
export default (options: object) => ({ ...wrap(makeProtection('none', options)) });
function wrap(plan: any) {
  return { name: 'mine', build: (parts: any) => { const made = plan.build(parts); Object.defineProperty(made, 'name', { value: 'mine' }); return made; } };
}
`;

/** Serves as DRR does under a name of its own; what is built in threads is built from the same file. */
export const renamedDrr = (name: string) => `
import { makeDiscipline } from ${JSON.stringify(new URL('../../../scheduler/disciplines/index.ts', import.meta.url).href)};
export default (options: any) => {
  const inner: any = makeDiscipline('drr', options);
  Object.defineProperty(inner, 'name', { value: ${JSON.stringify(name)} });
  return inner;
};
`;
