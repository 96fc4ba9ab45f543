import { describe, expect, it } from 'vitest';
import * as disciplines from '../../../scheduler/disciplines/index.js';
import { followsOrder, SCRIPTS } from './follows.js';
import { publishedHierarchy, publishedLimit, publishedMinimum, publishedOrders } from './published-orders.js';

describe('to the last frame, in the order of its published rule, serves', () => {
  it.each(Object.entries(publishedOrders(disciplines)))('%s', (_name, pair) => {
    expect(followsOrder(pair)).toBeGreaterThan(SCRIPTS * 30);
  });
});

describe('on a link whose rate changes, in the order of its published rule, serves', () => {
  // Rates at which a byte takes whole nanoseconds, as the model of sfq counts.
  const rates = [1e6, 1e8, 1e9, 2e9, 8e9];
  it.each(Object.entries(publishedOrders(disciplines)))('%s', (_name, pair) => {
    expect(followsOrder({ ...pair, options: { ...pair.options, rates } })).toBeGreaterThan(SCRIPTS * 30);
  });

  it.each(['wfq', 'sfq'])('%s no longer where it is not told of the rate', (name) => {
    const pair = publishedOrders(disciplines)[name];
    if (pair === undefined) throw new Error(`there is no order for ${name}`);
    const deaf = () => {
      const made = pair.make();
      Object.defineProperty(made, 'linkRateChanged', { value: undefined });
      return made;
    };
    const options = { ...pair.options, rates };
    let found: unknown;
    try {
      followsOrder({ ...pair, make: deaf, options }, { endOnFailure: true });
    } catch (error) {
      found = error instanceof Error ? error.cause : error;
    }
    expect(String(found)).toContain('breaks "the published order"');
  });
});

describe('a token bucket lets frames go on in the order of the rule behind it:', () => {
  it.each(['drr', 'prr', 'scfq', 'wf2q+', 'priority'])('limited:%s', (inner) => {
    expect(followsOrder(publishedLimit(disciplines, inner))).toBeGreaterThan(SCRIPTS * 30);
  });
});

describe('a minimum goes first by deadline, and the rest in the order of the rule behind it:', () => {
  it.each(['drr', 'prr', 'scfq', 'priority'])('minimum:%s', (inner) => {
    expect(followsOrder(publishedMinimum(disciplines, inner))).toBeGreaterThan(SCRIPTS * 30);
  });
});

describe('a hierarchy serves in the order of its two rules:', () => {
  it.each([
    ['drr', 'sfq'],
    ['wf2q+', 'drr'],
    ['sfq', 'priority'],
    ['scfq', 'wf2q+'],
    ['prr', 'scfq'],
  ])('%s between tenants, %s within each', (outer, inner) => {
    expect(followsOrder(publishedHierarchy(disciplines, outer, inner))).toBeGreaterThan(SCRIPTS * 30);
  });
});
