import { computed } from '@preact/signals';
import { AttackPanel } from './attack-panel.js';
import { JournalPanel } from './journal-panel.js';
import { KnobsPanel } from './knobs.js';
import { LinksPanel } from './links-panel.js';
import { LookPanel } from './look.js';
import { Picture } from './picture.js';
import { Plots } from './plots.js';
import { ServedKnobs } from './served-knobs.js';
import {
  announcement,
  film,
  films,
  isServed,
  message,
  PANELS,
  type Panel,
  panel,
  plans,
  theme,
} from './store.js';
import { StoryPanel } from './story-panel.js';
import { TourPanel } from './tour-panel.js';
import { tourAt } from './tour-store.js';
import { Transport } from './transport.js';

const PANEL_TITLES: Readonly<Record<Panel, string>> = {
  tours: 'Tours',
  knobs: 'Knobs',
  attacks: 'Attacks',
  look: 'Look',
  links: 'Links',
};

/** Panels that are there: with real guests there is nothing to start anew, and so no tour, attack or link. */
const shownPanels = computed<readonly Panel[]>(() => (isServed.value ? ['knobs', 'look'] : PANELS));

/** The page: the picture and its plots, and beside them what is turned, read and asked. */
export function App() {
  const shown = film.value === undefined ? plans.value : films.value;
  const isPair = shown.length === 2;
  return (
    <>
      <a class="skip" href="#panel">
        Skip to the panels
      </a>
      <header class="bar">
        <h1>
          cdna-nic <span>lab</span>
        </h1>
        <p>{plans.value[0]?.scenario.name ?? (isServed.value ? 'real guests' : 'a scenario of your own')}</p>
        <ThemeSwitch />
      </header>
      <main class={isPair ? 'pair' : ''}>
        <div class="stage">
          {message.value !== undefined && (
            <p class="message" role="alert">
              {message.value}
            </p>
          )}
          <div class="machines">
            {shown.map((_, index) => (
              <Picture key={index} index={index} />
            ))}
          </div>
          <Transport />
          {film.value === undefined && <Plots />}
          <JournalPanel />
        </div>
        <aside id="panel" tabIndex={-1} aria-label="Panels">
          <div class="tabs" role="tablist" aria-label="Panels">
            {shownPanels.value.map((name) => (
              <button
                key={name}
                type="button"
                role="tab"
                id={`tab-${name}`}
                aria-selected={panel.value === name}
                aria-controls="panel-body"
                tabIndex={panel.value === name ? 0 : -1}
                onClick={() => {
                  panel.value = name;
                }}
                onKeyDown={(event) => moveTab(event, name)}
              >
                {PANEL_TITLES[name]}
              </button>
            ))}
          </div>
          <div id="panel-body" role="tabpanel" aria-labelledby={`tab-${panel.value}`}>
            {tourAt.value === undefined && <StoryPanel />}
            {panel.value === 'tours' && <TourPanel />}
            {tourAt.value !== undefined && <StoryPanel />}
            {panel.value === 'attacks' && <AttackPanel />}
            {panel.value === 'links' && <LinksPanel />}
            {panel.value === 'knobs' && (isServed.value ? <ServedKnobs /> : <KnobsPanel />)}
            {panel.value === 'look' && <LookPanel />}
          </div>
        </aside>
      </main>
      <p class="visually-hidden" role="status">
        {announcement.value}
      </p>
    </>
  );
}

function moveTab(event: KeyboardEvent, name: Panel): void {
  const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
  if (step === 0) return;
  event.preventDefault();
  const names = shownPanels.value;
  const next = names[(names.indexOf(name) + step + names.length) % names.length];
  if (next === undefined) return;
  panel.value = next;
  document.getElementById(`tab-${next}`)?.focus();
}

function ThemeSwitch() {
  const next = { auto: 'light', light: 'dark', dark: 'auto' } as const;
  return (
    <button
      type="button"
      class="quiet theme"
      onClick={() => {
        theme.value = next[theme.value];
      }}
    >
      <span class="visually-hidden">Colours: </span>
      {theme.value}
    </button>
  );
}
