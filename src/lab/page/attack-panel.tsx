import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import type { AttackFilm, Cast } from '../attack-film.js';
import { separateGuests } from './knobs.js';
import { attack, attackHere, catalogue, film, films, isFilming, leaveFilm, plans } from './store.js';

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

/** Where attacks are played: on a machine of their own, or in the run that is shown. */
const isHere = signal(false);
/** Who attacks whom in the run, by name; the first two guests until they are chosen. */
const cast = signal<Cast>({ attacker: '', victim: '' });

/** Attacks of the matrix: choose where, who and on whom, watch, and read the evidence. */
export function AttackPanel() {
  const [approach, setApproach] = useState(plans.value[0]?.approach ?? 'cdna');
  const shown = film.value;
  const seed = plans.value[0]?.seed ?? 1;
  const chosen = castNow();
  return (
    <div class="attacks">
      <WhereKnob canBeHere={chosen !== undefined} />
      {isHere.value && chosen !== undefined ? (
        <CastKnobs cast={chosen} />
      ) : (
        <>
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
          <p class="hint">
            An attacker and a victim, as <code>cdna-nic attack</code> has them. The victim sends and receives
            200 Mb/s, and every byte of it is checked.
          </p>
        </>
      )}
      {shown !== undefined && (
        <>
          {films.value.map((one) => (
            <FilmVerdict key={`${one.approach} ${one.layout.discipline}`} film={one} />
          ))}
          <button type="button" class="quiet" onClick={leaveFilm}>
            back to the machine
          </button>
        </>
      )}
      {isFilming.value && <p role="status">The attack is being played …</p>}
      <AttackList
        shown={shown?.attack}
        play={(name) =>
          isHere.value && chosen !== undefined ? attackHere(name, chosen) : attack(name, approach, seed)
        }
      />
    </div>
  );
}

/** On which machine attacks are played. */
function WhereKnob({ canBeHere }: { canBeHere: boolean }) {
  return (
    <label class="field">
      <span>on</span>
      <select
        value={isHere.value ? 'here' : 'apart'}
        data-knob="attack-where"
        onChange={({ currentTarget }) => {
          isHere.value = currentTarget.value === 'here';
        }}
      >
        <option value="apart">a machine of its own</option>
        <option value="here" disabled={!canBeHere}>
          the run that is shown, as it stands
        </option>
      </select>
    </label>
  );
}

/** Every attack of the catalogue, as a button. @param shown the one whose film is shown */
function AttackList({ shown, play }: { shown: string | undefined; play: (name: string) => void }) {
  return (
    <>
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
                    aria-pressed={shown === name}
                    disabled={isFilming.value}
                    onClick={() => play(name)}
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
    </>
  );
}

/** Names of the guests of the run. */
function guestNames(): string[] {
  return separateGuests(plans.value[0]?.scenario.guests ?? []).map(({ name }, at) => name ?? `guest${at}`);
}

/** Attacker and victim as they are chosen, among the guests that there are; undefined where there is one guest alone. */
function castNow(): Cast | undefined {
  const names = guestNames();
  const [first, second] = names;
  if (first === undefined || second === undefined) return undefined;
  const attacker = names.includes(cast.value.attacker) ? cast.value.attacker : first;
  const victim = cast.value.victim;
  if (names.includes(victim) && victim !== attacker) return { attacker, victim };
  return { attacker, victim: names.find((name) => name !== attacker) ?? second };
}

function CastKnobs({ cast: chosen }: { cast: Cast }) {
  const names = guestNames();
  return (
    <>
      {(['attacker', 'victim'] as const).map((role) => (
        <label class="field" key={role}>
          <span>{role}</span>
          <select
            value={chosen[role]}
            data-knob={role}
            onChange={({ currentTarget }) => {
              const other = role === 'attacker' ? 'victim' : 'attacker';
              // Who takes the other's part gives it its own.
              const swapped = chosen[other] === currentTarget.value ? chosen[role] : chosen[other];
              cast.value = { ...chosen, [other]: swapped, [role]: currentTarget.value };
            }}
          >
            {names.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      ))}
      <p class="hint">
        From where the run stands: the attacker's driver is taken out and the script has its port. What the
        victim gets is held against the same run in which nothing is attacked.
      </p>
    </>
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
      {shown.cast !== undefined && (
        <p class="cast">
          {shown.cast.attacker} attacks {shown.cast.victim}
        </p>
      )}
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
