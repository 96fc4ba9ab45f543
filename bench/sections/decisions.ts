import { contextAfter, FIRST_CONTEXT } from '../../scheduler/branded.js';
import { DISCIPLINES } from '../../scheduler/disciplines/catalogue.js';
import { makeDiscipline } from '../../scheduler/disciplines/make-discipline.js';
import { round, type Stopwatch, type Timing, timingColumns } from '../measure.js';
import type { Section } from '../section.js';

const CONTEXTS = [32, 1024, 4096] as const;
const LINK_BPS = 100_000_000_000;
/** Seven small frames, four of medium size and a large one, as in IMIX. */
const SIZES = [60, 60, 576, 60, 1514, 576, 60, 576, 60, 60, 576, 60] as const;
const DECISIONS = 200_000;

/**
 * The Discipline contract alone, no card and no kernel: every context always has a next frame, weights are 1 to 4, and
 * virtual time advances by the time of each frame on the link. One operation = select, served, and the arrival of
 * the frame that takes the place of the one served.
 */
export const decisions: Section = {
  name: 'decisions',
  title: 'Scheduling decisions: select + served, all contexts backlogged',
  run({ stopwatch, progress }) {
    const rows = [];
    for (const { name, complexity } of DISCIPLINES) {
      let few: Timing | undefined;
      for (const contexts of CONTEXTS) {
        progress(`decisions: ${name}, ${contexts} contexts`);
        const timing = timeDiscipline(stopwatch, name, contexts);
        few ??= timing;
        rows.push({
          discipline: name,
          contexts,
          ...timingColumns(timing),
          timesFewest: round(timing.floorRatio / few.floorRatio),
          complexity,
        });
      }
    }
    return rows;
  },
};

function timeDiscipline(stopwatch: Stopwatch, name: string, contexts: number): Timing {
  const discipline = makeDiscipline(name, { linkBps: LINK_BPS });
  const heads = new Uint16Array(contexts);
  let nowNs = 0;
  let carryNs = 0;
  let turn = 0;
  const nextBytes = () => {
    turn = turn === SIZES.length - 1 ? 0 : turn + 1;
    return SIZES[turn] ?? 60;
  };
  for (let context = FIRST_CONTEXT; context < contexts; context = contextAfter(context)) {
    const bytes = nextBytes();
    heads[context] = bytes;
    discipline.join(context, { weight: 1 + (context % 4), deadlineNs: 100_000 + context });
    discipline.arrived?.(context, bytes, nowNs);
    discipline.activate(context, bytes, nowNs);
  }
  return stopwatch.time(
    (operations) => {
      for (let decision = 0; decision < operations; decision += 1) {
        const context = discipline.select(nowNs);
        const bytes = heads[context] ?? 0;
        if (bytes === 0) throw new Error(`${name} chose ${context} among ${contexts}`);
        carryNs += (bytes * 8e9) / LINK_BPS;
        const wholeNs = Math.floor(carryNs);
        carryNs -= wholeNs;
        const next = nextBytes();
        heads[context] = next;
        discipline.arrived?.(context, next, nowNs);
        discipline.served(context, bytes, next, nowNs);
        nowNs += wholeNs;
      }
      return undefined;
    },
    { operations: DECISIONS, repetitions: 7 },
  );
}
