import { computed, signal } from '@preact/signals';
import type { LabPlan } from '../plan.js';
import { tourOf } from '../tours/index.js';
import { judgeAnswer, type Tour, type TourAct } from '../tours/tour.js';
import {
  announcement,
  attack,
  follow,
  go,
  leaveFilm,
  machines,
  openThen,
  pause,
  plans,
  play,
  setPace,
} from './store.js';
import { prefersStillness } from './theme.js';

/** The tour that is under way, and its step; the question comes after the last one. */
export const tourAt = signal<{ readonly id: string; readonly step: number } | undefined>(undefined);
/** The plan as the question found it. */
const asked = signal<LabPlan | undefined>(undefined);

export const tour = computed<Tour | undefined>(() =>
  tourAt.value === undefined ? undefined : tourOf(tourAt.value.id),
);
export const isQuestion = computed(
  () => tour.value !== undefined && tourAt.value?.step === tour.value.steps.length,
);
export const judgement = computed(() =>
  tour.value === undefined || !isQuestion.value
    ? undefined
    : judgeAnswer(tour.value.question, asked.value, plans.value[0]),
);

/** Enters a step of a tour: its machines are built where they are others, and what the step does is done. */
export function enterTour(id: string, step: number): void {
  const found = tourOf(id);
  if (found === undefined) return;
  const isNew = tourAt.value?.id !== id;
  const isBack = !isNew && step < (tourAt.value?.step ?? 0);
  const at = Math.max(0, Math.min(step, found.steps.length));
  tourAt.value = { id, step: at };
  const entered = found.steps[at];
  const wanted = entered?.plans ?? (isNew || (isBack && at === 0) ? found.plans : undefined);
  leaveFilm();
  const then = () => {
    if (entered === undefined) {
      asked.value = plans.value[0];
      if (!prefersStillness()) {
        setPace(1_000_000);
        play();
      }
    } else for (const act of entered.acts ?? []) perform(act);
  };
  if (wanted === undefined) then();
  else openThen(wanted, then);
  announcement.value =
    entered === undefined
      ? `The question: ${found.question.text}`
      : `${entered.title}. ${entered.text.join(' ')}`;
}

/** Back to the list of tours; the machine stays as it is. */
export function leaveTour(): void {
  tourAt.value = undefined;
  leaveFilm();
}

function perform(act: TourAct): void {
  switch (act.kind) {
    case 'play':
      setPace(act.paceNs);
      if (!prefersStillness()) play();
      break;
    case 'pause':
      pause();
      break;
    case 'go':
      go({ atNs: act.atNs, events: 0 });
      break;
    case 'follow': {
      const column = machines.value[0]?.snapshot.domains.findIndex(({ name }) => name === act.guest);
      if (column !== undefined && column > 0) follow(0, column);
      break;
    }
    case 'attack':
      attack(act.attack, act.approach, plans.value[0]?.seed ?? 1);
      break;
  }
}
