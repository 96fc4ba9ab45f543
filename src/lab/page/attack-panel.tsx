import { useState } from 'preact/hooks';
import type { AttackFilm } from '../attack-film.js';
import { attack, catalogue, film, isFilming, leaveFilm, plans } from './store.js';

const VERDICTS: Readonly<Record<AttackFilm['verdict'], { readonly text: string; readonly mark: string }>> = {
  'not-applicable': { text: 'there is nothing of the kind to attack', mark: 'none' },
  'blocked-at-set-up': { text: 'blocked at set-up', mark: 'blocked' },
  'blocked-at-access': { text: 'blocked at access', mark: 'blocked' },
  contained: { text: 'contained: only the attacker suffers', mark: 'contained' },
  succeeded: { text: 'succeeded', mark: 'succeeded' },
};

const BY = [
  { by: 'guest', title: 'A hostile guest' },
  { by: 'device', title: 'A hostile card' },
] as const;

/** Attacks of the matrix: choose one and an approach, watch, and read the evidence. */
export function AttackPanel() {
  const [approach, setApproach] = useState(plans.value[0]?.approach ?? 'cdna');
  const shown = film.value;
  const seed = plans.value[0]?.seed ?? 1;
  return (
    <div class="attacks">
      <p class="hint">
        An attacker and a victim on a machine of their own, as <code>cdna-nic attack</code> has them. The
        victim sends and receives 200 Mb/s, and every byte of it is checked.
      </p>
      <label class="field">
        <span>against</span>
        <select
          value={approach}
          data-knob="attack-approach"
          onChange={({ currentTarget }) => setApproach(currentTarget.value)}
        >
          {catalogue.value.approaches.map(({ name, title }) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </label>
      {shown !== undefined && (
        <>
          <FilmVerdict film={shown} />
          <button type="button" class="quiet" onClick={leaveFilm}>
            back to the machine
          </button>
        </>
      )}
      {isFilming.value && <p role="status">The attack is being played …</p>}
      {BY.map(({ by, title }) => (
        <section key={by}>
          <h3>{title}</h3>
          <ul>
            {catalogue.value.attacks
              .filter((each) => (each.by === 'guest') === (by === 'guest'))
              .map(({ name, meaning, target }) => (
                <li key={name}>
                  <button
                    type="button"
                    data-attack={name}
                    aria-pressed={shown?.attack === name}
                    disabled={isFilming.value}
                    onClick={() => attack(name, approach, seed)}
                  >
                    <strong>{name}</strong>
                    <span>
                      {meaning} <em>({target})</em>
                    </span>
                  </button>
                </li>
              ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

/** How an attack ended, and what the verdict rests on. */
export function FilmVerdict({ film: shown }: { film: AttackFilm }) {
  const { text, mark } = VERDICTS[shown.verdict];
  return (
    <section class={`verdict ${mark}`} aria-label="Verdict" data-verdict={shown.verdict}>
      <h4>
        {shown.attack} on {shown.approach}
      </h4>
      <p class="meaning">{shown.meaning}</p>
      <p class="outcome">{text}</p>
      <p>{shown.sentence}</p>
      {shown.because !== '' && <p class="because">Why: {shown.because}.</p>}
      <details>
        <summary>the evidence</summary>
        <ul>
          {shown.facts.map((fact) => (
            <li key={fact}>{fact}</li>
          ))}
        </ul>
      </details>
    </section>
  );
}
