import type { Discipline } from '../discipline.js';
import type { Breaker } from './backlog-accounts.js';
import { checkedDiscipline } from './discipline-maker.js';
import { LawBroken } from './law-broken.js';
import { LongRunLaw } from './long-run-law.js';
import { playStep } from './play-step.js';
import { type RelativeFairnessBound, RelativeFairnessLaw } from './relative-fairness-law.js';
import type { Script } from './script.js';
import { type StarvationBound, StarvationLaw, starvationFromGap } from './starvation-law.js';
import { type Companion, type PublishedOrder, VirtualLink } from './virtual-link.js';

/** What a script is judged by. */
export interface TrialSettings {
  readonly makeDiscipline: () => Discipline;
  /** `none`: the discipline promises no shares. */
  readonly bound: RelativeFairnessBound | 'none' | undefined;
  readonly starvationBound: StarvationBound | undefined;
  readonly order: (() => PublishedOrder) | undefined;
  readonly linkBps: number;
  readonly longRunTolerance: number;
}

/** What became of one script. */
export interface TrialOutcome {
  /** The law that was broken, if one was. */
  readonly broken: LawBroken | undefined;
  /** Step during which it broke, or the number of steps if all had been played; grants before and within that step. */
  readonly brokenAt: number;
  readonly grantsInStep: number;
  readonly grants: number;
  readonly gapChecks: number;
  readonly gapUncompared: number;
  readonly largestGapRatio: number;
  readonly starvationChecks: number;
  readonly largestStarvationRatio: number;
  readonly orderChecks: number;
  readonly longRunChecks: number;
}

/** The law about disciplines that do not repeat themselves: everything else would be judged by accident. */
export const DETERMINISM = 'the same calls make the same grants';
/** Frames that are served after the last step, at most. */
const MOST_LEFT = 1_000;
/** Where the companion's clock starts: late enough for a bucket to be full, early enough for 31 bits. */
const EARLY_NS = 2 ** 30;

/** Plays one script on fresh instances: a long run is judged by its long-run shares and goes without companions. */
export function tryScript(script: Script, settings: TrialSettings): TrialOutcome {
  const { makeDiscipline, starvationBound, order, linkBps } = settings;
  const { longRunFrames } = script;
  const subject = checkedDiscipline(makeDiscipline());
  const broken: Breaker = (law, message) => link.broken(law, message);
  const own: RelativeFairnessBound = (i, j) => subject.relativeFairnessBoundBytes(i, j);
  const bound = settings.bound === 'none' ? () => Number.POSITIVE_INFINITY : (settings.bound ?? own);
  const fairness = new RelativeFairnessLaw(bound, broken);
  const starvation = new StarvationLaw(starvationBound ?? starvationFromGap(bound), broken);
  const longRun = new LongRunLaw(settings.longRunTolerance, broken);
  const link: VirtualLink = new VirtualLink(subject, {
    companions: longRunFrames === undefined ? companionsOf(makeDiscipline, script) : [],
    watchers: longRunFrames === undefined ? [fairness, starvation] : [fairness, starvation, longRun],
    linkBps,
    startNs: script.startNs,
    ...(order === undefined ? {} : { order: order() }),
  });
  let at = 0;
  let grantsBefore = 0;
  let violation: LawBroken | undefined;
  let longRunChecks = 0;
  try {
    for (; at < script.steps.length; at += 1) {
      grantsBefore = link.timeline.grants;
      const step = script.steps[at];
      if (step !== undefined) playStep(link, step);
      if (link.timeline.grants > grantsBefore) link.checkInvariants();
    }
    grantsBefore = link.timeline.grants;
    if (longRunFrames !== undefined) longRunChecks = longRun.judge(longRunFrames);
    else for (let left = 0; left < MOST_LEFT && link.serve(); left += 1);
  } catch (error) {
    violation = asLawBroken(link, error);
  }
  return {
    broken: violation,
    brokenAt: at,
    grantsInStep: link.timeline.grants - grantsBefore,
    grants: link.timeline.grants,
    gapChecks: fairness.checks,
    gapUncompared: fairness.uncompared,
    largestGapRatio: fairness.largestRatio,
    starvationChecks: starvation.checks,
    largestStarvationRatio: starvation.largestRatio,
    orderChecks: link.orderChecks,
    longRunChecks,
  };
}

/** The first companion decides whether the others mean anything, so it is compared first. */
function companionsOf(make: () => Discipline, script: Script): Companion[] {
  const companions: Companion[] = [
    { discipline: make(), law: DETERMINISM, isExact: true },
    { discipline: make(), law: 'needless calls change nothing' },
  ];
  if (script.startNs > EARLY_NS) {
    companions.push({
      discipline: make(),
      law: 'the instant of the start changes nothing',
      isExact: true,
      aheadNs: EARLY_NS - script.startNs,
    });
  }
  return companions;
}

function asLawBroken(link: VirtualLink, error: unknown): LawBroken {
  if (error instanceof LawBroken) return error;
  try {
    link.broken('no call throws', error instanceof Error ? error.message : `${error}`);
  } catch (broken) {
    if (broken instanceof LawBroken) return broken;
    throw broken;
  }
}
