import { readFileSync } from 'node:fs';
import { type CostName, costTable } from '../../../host/cpu/costs.js';
import type { Cdna2007Result } from './measure.js';

/** Costs of operations as this experiment's stored result has them, the defaults for what it did not look for; cycles. */
export function foundCosts(): Record<CostName, number> {
  const stored = JSON.parse(
    readFileSync(new URL('./result.json', import.meta.url), 'utf8'),
  ) as Cdna2007Result;
  return { ...costTable(), ...stored.parameters.costs };
}
