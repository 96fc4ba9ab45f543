import { signal } from '@preact/signals';
import { DARK, LIGHT } from '../../report/html/style.js';

/** Colour of each domain: the hypervisor first, then the series of the reports, and again with less strength. */
const SERIES = 6;

/** The colours of the reports, as the page's variables; dark where the reader's system is, or where it was asked for. */
export function installTheme(): void {
  const variables = (colours: Readonly<Record<string, string>>) =>
    Object.entries(colours)
      .map(([name, colour]) => `--${name}:${colour}`)
      .join(';');
  const style = document.createElement('style');
  style.textContent = `:root{color-scheme:light;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){color-scheme:dark;${variables(DARK)}}}
:root[data-theme=dark]{color-scheme:dark;${variables(DARK)}}`;
  document.head.prepend(style);
}

/** The colour of a domain by its number, as CSS. */
export function ownerColour(column: number): string {
  if (column < 0) return 'var(--line)';
  if (column === 0) return 'var(--rule)';
  const series = `var(--series-${((column - 1) % SERIES) + 1})`;
  return column <= SERIES ? series : `color-mix(in srgb, ${series} 60%, var(--paper))`;
}

const resolved = new Map<string, string>();

/** The same, as a canvas takes it: looked up anew when the theme changes. */
export function ownerPaint(column: number): string {
  return paint(ownerColour(column));
}

/** What a CSS colour is now. */
export function paint(colour: string): string {
  const known = resolved.get(colour);
  if (known !== undefined) return known;
  const probe = document.createElement('span');
  probe.style.color = colour;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  resolved.set(colour, value);
  return value;
}

/** How often colours have changed: what is painted with them is painted again. */
export const paintsForgotten = signal(0);

/** Colours are other ones from now on. */
export function forgetPaints(): void {
  resolved.clear();
  paintsForgotten.value = paintsForgotten.peek() + 1;
}

/** Whether the reader wants things to stand still. */
export function prefersStillness(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}
