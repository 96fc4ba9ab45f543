import { describe, expect, it } from 'vitest';
import * as disciplines from '../../../scheduler/disciplines/index.js';
import { followsOrder } from './follows.js';
import { publishedHierarchy, publishedOrders } from './published-orders.js';

describe('to the last frame, in the order of its published rule, serves', () => {
  it.each(Object.entries(publishedOrders(disciplines)))('%s', (_name, pair) => {
    expect(followsOrder(pair)).toBeGreaterThan(4_000);
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
    expect(followsOrder(publishedHierarchy(disciplines, outer, inner))).toBeGreaterThan(4_000);
  });
});
