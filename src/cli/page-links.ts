import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PageLink } from '../report/html/page.js';
import { APPROACHES_PAGE, ATTACK_PAGE } from '../report/page-names.js';

/** The pages that commands write with --out, and what each answers. */
const PAGES: readonly PageLink[] = [
  { file: 'compare.html', text: 'what each approach costs, and what it lets through' },
  { file: 'run.html', text: 'one run' },
  { file: 'replay.html', text: 'a session of real guests' },
  { file: ATTACK_PAGE, text: 'which attacks get through, and why' },
  { file: 'fairness.html', text: 'DMA schedulers and their bounds' },
  { file: 'reproduce.html', text: 'experiments of the field' },
  { file: APPROACHES_PAGE, text: 'what each approach is' },
];

/** Links to the other pages of a folder: those that are there, and those that are written together with this one. */
export function linksBeside(
  folder: string | undefined,
  own: string,
  together: readonly string[] = [],
): PageLink[] {
  if (folder === undefined) return [];
  return PAGES.filter(
    ({ file }) => file !== own && (together.includes(file) || existsSync(join(folder, file))),
  );
}
