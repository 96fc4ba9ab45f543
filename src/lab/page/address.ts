import { effect, signal } from '@preact/signals';
import { UserError } from '../../../scheduler/errors.js';
import { decodeLink, encodeLink, type LabState } from '../link.js';
import {
  activity,
  attackHere,
  film,
  layouts,
  message,
  open,
  paceNs,
  panel,
  plans,
  play,
  runPosition,
} from './store.js';
import { prefersStillness } from './theme.js';
import { enterTour, tourAt } from './tour-store.js';

/** The state as the link of the page has it. */
export const link = signal('');
/** Why there is no link; empty while there is one. */
export const linkRefusal = signal('');

function stateNow(): LabState {
  const tour = tourAt.value;
  const shown = film.value;
  return {
    plans: plans.value,
    position: runPosition(),
    paceNs: paceNs.value,
    ...(shown?.cast === undefined ? {} : { attack: { name: shown.attack, ...shown.cast } }),
    ...(tour === undefined ? {} : { tour }),
  };
}

/** The link of a state. One that is too long is none: the address then is that of a page without a state. */
function encoded(state: LabState): string {
  linkRefusal.value = '';
  try {
    return encodeLink(state);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    linkRefusal.value = error.message;
    return '#';
  }
}

/** Keeps the address of the page at what it shows, whenever the machine stands still. */
export function keepAddress(): void {
  effect(() => {
    const state = stateNow();
    // What the address says is opened first.
    if (layouts.value.length === 0) return;
    // A film of a machine of its own is no state of the run.
    if (film.value !== undefined && film.value.cast === undefined) return;
    if (film.value === undefined && activity.value !== 'paused' && activity.value !== 'ended') return;
    const next = encoded(state);
    if (next === link.peek()) return;
    link.value = next;
    history.replaceState(null, '', next);
  });
  addEventListener('hashchange', () => {
    if (location.hash !== link.value) openAddress();
  });
}

/** Opens what the address says; what a page without one begins with. */
export function openAddress(): void {
  const hash = location.hash;
  try {
    const state = decodeLink(hash);
    paceNs.value = state.paceNs;
    if (state.tour !== undefined && state.position.events === 0) {
      panel.value = 'tours';
      enterTour(state.tour.id, state.tour.step);
      return;
    }
    tourAt.value = state.tour;
    const { attack } = state;
    open(
      state.plans,
      state.position,
      attack === undefined
        ? undefined
        : () => {
            panel.value = 'attacks';
            attackHere(attack.name, { attacker: attack.attacker, victim: attack.victim });
          },
    );
    if (attack !== undefined) return;
    if (state.position.events === 0 && state.position.atNs === 0 && !prefersStillness()) play();
  } catch (error) {
    open(plans.value);
    message.value = error instanceof Error ? error.message : String(error);
  }
}
