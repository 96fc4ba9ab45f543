import { effect } from '@preact/signals';
import { render } from 'preact';
import type { Report } from '../protocol.js';
import 'uplot/dist/uPlot.min.css';
import { keepAddress, openAddress } from './address.js';
import { App } from './app.js';
import { startMachines } from './connection.js';
import { acceptDrops } from './dropped-files.js';
import { everyMs } from './reader-clock.js';
import { saveTaken } from './save-file.js';
import { connectServed, servedToken } from './served-connection.js';
import {
  back,
  connect,
  enterServed,
  film,
  filmAt,
  isFilmPlaying,
  isServed,
  request,
  showPicture,
  step,
  take,
  theme,
  toggle,
} from './store.js';
import './style.css';
import { forgetPaints, installTheme } from './theme.js';

/** How long a picture of a film is seen, ms. */
const FILM_PICTURE_MS = 70;

installTheme();
effect(() => {
  if (theme.value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  forgetPaints();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', forgetPaints);

const token = servedToken(location.hash);
if (token !== undefined) enterServed();

const start = (onReport: (report: Report) => void) =>
  token === undefined ? startMachines(onReport) : connectServed(token, onReport);

connect(
  start((report) => {
    take(report);
    if (report.kind === 'took-out') saveTaken();
    // Where the panels lie below the picture, what was asked for there is seen above.
    if (report.kind === 'film' && matchMedia('(max-width: 70rem)').matches)
      document.querySelector('.stage')?.scrollIntoView();
    // The next state is asked for when this one has been drawn: the machine never runs ahead of the picture.
    if (report.kind === 'state') requestAnimationFrame(() => request({ kind: 'shown' }));
  }),
);

const root = document.getElementById('lab');
if (root === null) throw new Error('the page has no place for the lab');
render(<App />, root);
if (token === undefined) {
  openAddress();
  keepAddress();
  acceptDrops();
}
everyMs(FILM_PICTURE_MS, () => {
  if (!isFilmPlaying.value || film.value === undefined) return;
  if (filmAt.value + 1 >= film.value.pictures.length) isFilmPlaying.value = false;
  else showPicture(filmAt.value + 1);
});

addEventListener('keydown', (event) => {
  if (isServed.value) return;
  const target = event.target as HTMLElement | null;
  if (target?.closest('input, select, textarea, button, summary, [role=button], [tabindex="0"]') !== null)
    return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === ' ') toggle();
  else if (event.key === 'ArrowRight') step(event.shiftKey ? 'frame' : 'event');
  else if (event.key === 'ArrowLeft') back(event.shiftKey ? 'frame' : 'event');
  else return;
  event.preventDefault();
});
