import type { LabPlan } from '../plan.js';
import type { Station } from '../story/frame-story.js';

/** What a step of a tour does to the machine when it is entered. */
export type TourAct =
  | { readonly kind: 'play'; readonly paceNs: number | null }
  | { readonly kind: 'pause' }
  /** Goes to a time, ns. */
  | { readonly kind: 'go'; readonly atNs: number }
  /** Follows the next frame of the guest of a name. */
  | { readonly kind: 'follow'; readonly guest: string }
  | { readonly kind: 'attack'; readonly attack: string; readonly approach: string };

/** One step: what to read, what is lit, what the machine does meanwhile. */
export interface TourStep {
  readonly title: string;
  /** Paragraphs. */
  readonly text: readonly string[];
  /** Part of the picture that the text is about. */
  readonly lit?: Station;
  /** The machines of this step, where they are others than those before. */
  readonly plans?: readonly LabPlan[];
  readonly acts?: readonly TourAct[];
}

/** A field of the plan that answers a question. */
export type KnobField = 'approach' | 'discipline' | 'iotlbEntries';

/** What one setting of the knob says about the question. */
export interface TourAnswer {
  readonly oneOf: readonly string[];
  readonly isRight: boolean;
  readonly says: string;
}

/** The question at the end of a tour, answered by turning a knob. */
export interface TourQuestion {
  readonly text: string;
  readonly hint: string;
  readonly knob: KnobField;
  readonly answers: readonly TourAnswer[];
  /** For every setting that no answer names. */
  readonly otherwise: string;
}

/** A guided tour: data, so that it can be read, translated and checked without a page. */
export interface Tour {
  readonly id: string;
  readonly title: string;
  /** What it is about, in a sentence. */
  readonly about: string;
  readonly plans: readonly LabPlan[];
  readonly steps: readonly TourStep[];
  readonly question: TourQuestion;
}

/** What is said about an answer; nothing while the knob stands as the question found it. */
export interface TourJudgement {
  readonly isRight: boolean;
  readonly says: string;
}

/** Judges the setting of a question's knob against what it was when the question was asked. */
export function judgeAnswer(
  question: TourQuestion,
  asked: LabPlan | undefined,
  now: LabPlan | undefined,
): TourJudgement | undefined {
  const setting = settingOf(question.knob, now);
  if (setting === settingOf(question.knob, asked)) return undefined;
  const answer = question.answers.find(({ oneOf }) => oneOf.includes(setting));
  return answer === undefined
    ? { isRight: false, says: question.otherwise }
    : { isRight: answer.isRight, says: answer.says };
}

/** The setting of a knob as text; empty for a default. */
export function settingOf(knob: KnobField, plan: LabPlan | undefined): string {
  if (plan === undefined) return '';
  if (knob === 'iotlbEntries') return String(plan.scenario.iommu?.iotlbEntries ?? '');
  return plan[knob];
}
