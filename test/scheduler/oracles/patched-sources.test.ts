import { describe, expect, it } from 'vitest';
import { LawBroken } from '../../../scheduler/laws/index.js';
import { some } from '../../support/whole.js';
import { followsOrder, SCRIPTS } from './follows.js';
import { type Patch, patchedDisciplines } from './patched-sources.js';
import { type Pair, publishedHierarchy, publishedOrders } from './published-orders.js';

type Row = readonly [
  flaw: string,
  patch: Patch,
  pair: (module: Awaited<ReturnType<typeof patchedDisciplines>>) => Pair | undefined,
];

const at = (file: string, from: string, to: string): Patch => ({ file: `disciplines/${file}`, from, to });

/** Changes of the sources that no bound notices. */
const FLAWS: readonly Row[] = [
  [
    'SFQ does not advance its clock when the link is idle',
    at('start-time-fair-queueing.ts', 'this.#tags.advanceClockToRemembered();', ';'),
    (module) => publishedOrders(module).sfq,
  ],
  [
    'WF2Q+ does not keep the weight of a context that leaves ahead of the clock',
    at('reserved-weight.ts', 'this.#tags.hasFinished(this.#leaving.front)', 'true'),
    (module) => publishedOrders(module)['wf2q+'],
  ],
  [
    'QFQ does not keep the weight of a context that leaves ahead of the clock',
    at('reserved-weight.ts', 'this.#tags.hasFinished(this.#leaving.front)', 'true'),
    (module) => publishedOrders(module).qfq,
  ],
  [
    'WF2Q+ loses its mark when the clock is lowered',
    at('tag-table.ts', 'this.#markWhole -= base;', ';'),
    (module) => publishedOrders(module)['wf2q+ rebased'],
  ],
  [
    'SFQ loses the largest finish tag when the clock is lowered',
    at('tag-table.ts', 'this.#latestWhole -= base;', ';'),
    (module) => publishedOrders(module)['sfq rebased'],
  ],
  [
    'a hierarchy ignores the weights of tenants',
    at(
      'two-level.ts',
      'this.#outer.join(tenant, this.#tenantShare(tenant, share))',
      'this.#outer.join(tenant, { weight: 1 })',
    ),
    (module) => publishedHierarchy(module, 'drr', 'sfq'),
  ],
  [
    'EDF serves equal deadlines in reverse',
    at('earliest-deadline-first.ts', 'this.#arrivals += 1;', 'this.#arrivals -= 1;'),
    (module) => publishedOrders(module).edf,
  ],
  [
    'a tag taken from the clock is rounded down instead of up',
    at(
      'tag-table.ts',
      'const part = Math.ceil((this.#clockPart * weight) / this.#clockWeight);',
      'const part = Math.floor((this.#clockPart * weight) / this.#clockWeight);',
    ),
    (module) => publishedOrders(module).sfq,
  ],
  [
    'a tag loses the part below a unit',
    at('tag-table.ts', '(units - whole * weight)', '0'),
    (module) => publishedOrders(module).scfq,
  ],
  [
    'what a context was served in advance is forgotten when it rejoins',
    at('tag-table.ts', 'const ahead = this.#aheadParts(context);', 'const ahead = 0;'),
    (module) => publishedOrders(module).sfq,
  ],
  [
    'DRR keeps the deficit of a context that becomes idle',
    at(
      'deficit-round-robin.ts',
      '  #forfeit(context: ContextId): void {\n    this.#deficit[context] = 0;',
      '  #forfeit(context: ContextId): void {',
    ),
    (module) => publishedOrders(module)['drr 9018'],
  ],
  [
    'SRR forgives the debt of a context that becomes idle',
    at('surplus-round-robin.ts', 'Math.min(0, this.creditBytes(context))', '0'),
    (module) => publishedOrders(module)['srr 1514'],
  ],
];

/** The law that a check finds broken, or what else it throws. */
function whatBreaks(check: () => unknown): unknown {
  try {
    check();
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    return cause instanceof LawBroken ? cause.law : error;
  }
  return 'nothing';
}

describe('the exact orders notice a flaw in the sources', () => {
  it.each(some(FLAWS))('%s', async (_flaw, patch, pairOf) => {
    const pair = pairOf(await patchedDisciplines(patch));
    if (pair === undefined) throw new Error('there is no such order');
    const broken = whatBreaks(() => followsOrder(pair, { numRuns: 400, endOnFailure: true }));
    // The discipline's own invariants may come first.
    expect(['the published order', 'invariants']).toContain(broken);
  });

  it('and none where nothing is changed', async () => {
    const unchanged = at(
      'widened.ts',
      'if (column.length >= capacity) return column;',
      'if (column.length >= capacity) return column;',
    );
    const module = await patchedDisciplines(unchanged);
    for (const name of ['sfq', 'wf2q+ rebased', 'edf'])
      expect(
        followsOrder(publishedOrders(module)[name] ?? publishedHierarchy(module, 'prr', 'prr')),
      ).toBeGreaterThan(SCRIPTS * 30);
  });
});
