import { ATTACKS } from '../../guests/hostile/index.js';
import { APPROACHES } from '../../host/protection/approaches.js';
import { DISCIPLINES } from '../../scheduler/disciplines/index.js';

/** What there is to choose from: the front end lists it and knows nothing else of it. */
export interface Catalogue {
  readonly approaches: readonly { readonly name: string; readonly title: string; readonly meaning: string }[];
  readonly disciplines: readonly { readonly name: string; readonly meaning: string }[];
  readonly attacks: readonly {
    readonly name: string;
    readonly meaning: string;
    readonly by: string;
    readonly target: string;
  }[];
}

export const CATALOGUE: Catalogue = {
  approaches: APPROACHES.map(({ name, title, meaning }) => ({ name, title, meaning })),
  disciplines: [
    ...DISCIPLINES.map(({ name, meaning }) => ({ name, meaning })),
    // Disciplines put together: the two that a knob of the lab needs.
    { name: 'limited:drr', meaning: 'drr behind an upper limit per guest (token bucket)' },
    { name: 'limited:fifo', meaning: 'fifo behind an upper limit per guest (token bucket)' },
  ],
  attacks: ATTACKS.map(({ name, meaning, by, target }) => ({ name, meaning, by, target })),
};
