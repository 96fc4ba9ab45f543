// A discipline is a small, pure object. This one serves the context that has received the fewest bytes per
// unit of weight, and no context accumulates credit while idle. The laws check it first, then a machine runs it.
import { simulate } from 'cdna-nic';
import { type BoundMember, type ContextId, type Discipline, NONE, type Share } from 'cdna-nic/scheduler';
import { checkDiscipline } from 'cdna-nic/scheduler/laws';

class LeastServed implements Discipline {
  readonly name = 'least-served';
  readonly #weight = new Map<ContextId, number>();
  readonly #served = new Map<ContextId, number>();
  readonly #waiting = new Set<ContextId>();
  #floor = 0;

  join(context: ContextId, { weight }: Share): void {
    this.#weight.set(context, weight);
    this.#served.set(context, 0);
  }
  leave(context: ContextId): void {
    this.#waiting.delete(context);
    this.#weight.delete(context);
  }
  activate(context: ContextId): void {
    if (this.#waiting.has(context)) return;
    // No credit for idle time: it starts level with the waiting context that has received least.
    const least = Math.min(...[...this.#waiting].map((other) => this.#had(other)));
    this.#served.set(context, Math.max(this.#had(context), Number.isFinite(least) ? least : this.#floor));
    this.#waiting.add(context);
  }
  select(): ContextId {
    let chosen = NONE;
    for (const context of this.#waiting)
      if (chosen === NONE || this.#had(context) < this.#had(chosen)) chosen = context;
    return chosen;
  }
  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    this.#floor = this.#had(context);
    this.#served.set(context, this.#floor + bytes / (this.#weight.get(context) ?? 1));
    if (nextHeadBytes === 0) this.#waiting.delete(context);
  }
  withdraw(context: ContextId): void {
    this.#waiting.delete(context);
  }
  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return i.maxFrameBytes / i.weight + j.maxFrameBytes / j.weight;
  }
  checkInvariants(): void {}
  #had(context: ContextId): number {
    return this.#served.get(context) ?? 0;
  }
}

const check = checkDiscipline(() => new LeastServed(), { seed: 7 });
console.log(`the laws hold, largest gap ${check.largestGapRatio.toFixed(2)} of the bound`);
const guests = [1, 2, 3].map((weight) => ({ weight, traffic: { kind: 'greedy' as const } }));
const run = await simulate({ guests }, { discipline: () => new LeastServed(), durationNs: 20_000_000 });
for (const { weight, transmitGoodputBps } of run.guests)
  console.log(`weight ${weight}: ${(transmitGoodputBps / 1e6).toFixed(0)} Mb/s`);
