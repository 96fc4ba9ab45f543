import { computed } from '@preact/signals';
import { STEP_UNITS } from '../protocol.js';
import { PACES, timeText } from './format.js';
import {
  activity,
  back,
  film,
  isBusy,
  isFilmPlaying,
  isPlaying,
  isServed,
  paceNs,
  position,
  replayed,
  setPace,
  step,
  toggle,
} from './store.js';

/** What time it is where the time is the host's: nothing moves it. */
function ServedClock() {
  return (
    <div class="transport">
      <output
        class="clock"
        aria-live="off"
        data-at-ns={position.value.atNs}
        data-events={position.value.events}
        data-activity={activity.value}
      >
        <b>{timeText(position.value.atNs)}</b>
        <span>
          since the session began, by this host's clock · event {position.value.events.toLocaleString('en')}
        </span>
      </output>
    </div>
  );
}

/** Play, pause, steps both ways, pace, and what time it is in the machine. */
export function Transport() {
  return isServed.value ? <ServedClock /> : <OwnTransport />;
}

function OwnTransport() {
  const playing =
    film.value === undefined ? isPlaying.value || activity.value === 'seeking' : isFilmPlaying.value;
  return (
    <div class="transport" role="toolbar" aria-label="Run the machine">
      <div class="group">
        {[...STEP_UNITS].reverse().map((unit) => (
          <button
            key={unit}
            type="button"
            class="quiet"
            disabled={isBusy.value || isAtStart.value}
            onClick={() => back(unit)}
            data-back={unit}
          >
            <span aria-hidden="true">‹</span> {unit}
            <span class="visually-hidden"> before</span>
          </button>
        ))}
      </div>
      <button
        type="button"
        class="play"
        onClick={toggle}
        aria-label={playing ? 'Pause' : 'Play'}
        aria-keyshortcuts="Space"
      >
        <span aria-hidden="true">{playing ? '❚❚' : '▶'}</span>
      </button>
      <div class="group">
        {STEP_UNITS.map((unit) => (
          <button
            key={unit}
            type="button"
            class="quiet"
            disabled={isBusy.value}
            onClick={() => step(unit)}
            data-step={unit}
          >
            <span class="visually-hidden">next </span>
            {unit} <span aria-hidden="true">›</span>
          </button>
        ))}
      </div>
      <Clock />
      <label class="pace">
        <span>pace</span>
        <select
          value={String(paceNs.value)}
          data-knob="pace"
          onChange={({ currentTarget }) =>
            setPace(currentTarget.value === 'null' ? null : Number(currentTarget.value))
          }
        >
          {PACES.map(({ paceNs: pace, text }) => (
            <option key={text} value={String(pace)}>
              {text}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

const isAtStart = computed(() => position.value.events === 0);

/** What time it is in the machine: by itself, because it changes with every frame of the screen. */
function Clock() {
  const share = replayed.value;
  return (
    <output
      class="clock"
      aria-live="off"
      data-at-ns={position.value.atNs}
      data-events={position.value.events}
      data-activity={film.value === undefined ? activity.value : 'film'}
    >
      <b>{timeText(position.value.atNs)}</b>
      <span>
        event {position.value.events.toLocaleString('en')}
        {share !== undefined && ` · replaying ${(share * 100).toFixed(0)} %`}
        {activity.value === 'ended' && ' · end of the run'}
      </span>
    </output>
  );
}
