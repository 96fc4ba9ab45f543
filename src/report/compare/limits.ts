import { counted } from '../../../scheduler/counted.js';
import type { RunResult } from '../../machine/run-result.js';
import { coresText, lessThanWire, namesText, ringsText } from '../guest-rows.js';
import { cpuFraction } from '../metrics/run-metrics.js';
import { percent } from '../number-text.js';
import { type Compared, lesserGoodputPercent } from './compared.js';
import { keptInsideLines } from './kept-inside.js';

/** From here on the wire was the limit: it stood still at the start, and between frames now and then. */
export const FULL_WIRE_FRACTION = 0.98;
/** From here on no core had time left. */
const FULL_CPU_FRACTION = 0.98;

/** What limited the runs: a sentence per reason with all the approaches that share it, then each that carries less by itself. */
export function limitsAnswers(compared: readonly Compared[]): string[] {
  const groups = new Map<string, string[]>();
  for (const { name, run } of compared) {
    const text = reasonText(run);
    if (text !== undefined) groups.set(text, [...(groups.get(text) ?? []), name]);
  }
  const shared = [...groups].map(([text, names]) =>
    names.length === compared.length && names.length > 1
      ? `Under all approaches ${text}.`
      : `Under ${names.join(', ')} ${text}.`,
  );
  const kept = keptInsideLines(compared);
  return [...shared, ...compared.flatMap(lesserText), ...(kept === undefined ? [] : [kept.join(' ')])];
}

/** Who stayed below its due, and why, where its core or its ring was the reason; undefined when neither was. */
function reasonText(run: RunResult): string | undefined {
  const reasons = [coreText(run), ringText(run)].filter((text) => text !== undefined);
  return reasons.length === 0 ? undefined : reasons.join('; ');
}

/** Who stayed below its due since its ring holds less than the card's FIFO. */
function ringText({ ringLimited }: RunResult): string | undefined {
  if (ringLimited === undefined) return undefined;
  return `${namesText(ringLimited)} got less than was due, because ${ringsText(ringLimited)} (ring-limited: transmitSlots)`;
}

/** Who stayed below its due for want of CPU time, and whether the wire was full meanwhile. */
function coreText(run: RunResult): string | undefined {
  const { cpuLimited, wireBusyFraction } = run;
  if (cpuLimited === undefined) return undefined;
  if (wireBusyFraction < FULL_WIRE_FRACTION)
    return `${namesText(cpuLimited)} ${lessThanWire(cpuLimited)}, because ${coresText(cpuLimited)} (CPU-limited)`;
  return `the wire is full, and is what limits all guests together; of it ${namesText(cpuLimited)} got less than was due, because ${coresText(cpuLimited)}, and the others took the rest (CPU-limited)`;
}

/** An approach that carries less than no protection does: how much, and what was full meanwhile. */
function lesserText(one: Compared): string[] {
  const carried = lesserGoodputPercent(one);
  if (carried === undefined) return [];
  const { name, run } = one;
  const cores = counted(run.cpu.cores, 'core');
  const busy = 1 - run.cpu.idleFraction;
  const wire = `the wire is only ${percent(run.wireBusyFraction)} % busy`;
  if (run.wireBusyFraction >= FULL_WIRE_FRACTION)
    return [`${name} carries ${carried} % of what no protection does, though the wire is full.`];
  if (busy >= FULL_CPU_FRACTION)
    return [
      `${name} carries ${carried} % of what no protection does: ${cores} are ${percent(busy)} % busy, and ${wire}.`,
    ];
  const driverDomain = cpuFraction(run, 'driver-domain');
  const why =
    driverDomain > 0
      ? `every frame passes through one driver domain, which takes ${percent(driverDomain)} % of ${cores} by itself, and for which frames wait in the rings of their guests`
      : `neither the wire nor the cores are full (${percent(busy)} % busy)`;
  return [`${name} carries ${carried} % of what no protection does: ${why}; ${wire}.`];
}
