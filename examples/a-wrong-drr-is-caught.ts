// Deficit round robin with the most frequent mistake: the deficit of a context is not reset when it becomes
// idle. It passes every test in which no context idles. The laws find a script in which one does, shrink it,
// and print it as a timeline.
import { type BoundMember, type ContextId, type Discipline, NONE, type Share } from 'cdna-nic/scheduler';
import { checkDiscipline, LawBroken } from 'cdna-nic/scheduler/laws';

const QUANTUM_BYTES = 1514;

class WrongDrr implements Discipline {
  readonly name = 'wrong drr';
  readonly #weight = new Map<ContextId, number>();
  readonly #deficit = new Map<ContextId, number>();
  readonly #head = new Map<ContextId, number>();
  readonly #round: ContextId[] = [];
  #visitOpen = false;

  join(context: ContextId, { weight }: Share): void {
    this.#weight.set(context, weight);
    this.#deficit.set(context, 0);
  }
  leave(context: ContextId): void {
    this.withdraw(context);
  }
  activate(context: ContextId, headBytes: number): void {
    if (this.#head.has(context)) return;
    this.#head.set(context, headBytes);
    this.#round.push(context);
  }
  select(): ContextId {
    for (;;) {
      const context = this.#round[0];
      if (context === undefined) return NONE;
      if (!this.#visitOpen) this.#add(context, QUANTUM_BYTES * (this.#weight.get(context) ?? 1));
      this.#visitOpen = true;
      if ((this.#head.get(context) ?? 0) <= (this.#deficit.get(context) ?? 0)) return context;
      this.#round.push(...this.#round.splice(0, 1));
      this.#visitOpen = false;
    }
  }
  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    this.#add(context, -bytes);
    if (nextHeadBytes > 0) this.#head.set(context, nextHeadBytes);
    else this.withdraw(context);
  }
  withdraw(context: ContextId): void {
    // The paper says here: DeficitCounter := 0.
    this.#head.delete(context);
    if (this.#round[0] === context) this.#visitOpen = false;
    if (this.#round.includes(context)) this.#round.splice(this.#round.indexOf(context), 1);
  }
  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return QUANTUM_BYTES + (i.maxFrameBytes - 1) / i.weight + (j.maxFrameBytes - 1) / j.weight;
  }
  checkInvariants(): void {}
  #add(context: ContextId, bytes: number): void {
    this.#deficit.set(context, (this.#deficit.get(context) ?? 0) + bytes);
  }
}

try {
  checkDiscipline(() => new WrongDrr(), { seed: 7 });
  console.log('nothing found');
} catch (error) {
  if (!(error instanceof LawBroken)) throw error;
  console.log(error.message);
}
