import { effect } from '@preact/signals';
import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import { App } from './app.js';
import { startWorker } from './connection.js';
import { back, connect, open, plans, play, request, step, take, theme, toggle } from './store.js';
import './style.css';
import { forgetPaints, installTheme, prefersStillness } from './theme.js';

installTheme();
effect(() => {
  if (theme.value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  forgetPaints();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', forgetPaints);

connect(
  startWorker((report) => {
    take(report);
    // The next state is asked for when this one has been drawn: the machine never runs ahead of the picture.
    if (report.kind === 'state') requestAnimationFrame(() => request({ kind: 'shown' }));
  }),
);

const root = document.getElementById('lab');
if (root === null) throw new Error('the page has no place for the lab');
render(<App />, root);
open(plans.value);
if (!prefersStillness()) play();

addEventListener('keydown', (event) => {
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
