// npm run store:lab-pictures [NAME...]: takes the pictures of the lab's main states, with which a test compares the page.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fontsHere, LAB_VIEWS, openView, pictureOf } from './lab-pictures.js';

const folder = join(import.meta.dirname, '../src/lab/pictures');
const names = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
for (const view of LAB_VIEWS) {
  if (names.length > 0 && !names.includes(view.name)) continue;
  const lab = await openView(view);
  const bytes = await pictureOf(lab);
  writeFileSync(join(folder, `${view.name}.webp`), bytes);
  writeFileSync(join(folder, 'fonts.txt'), `${await fontsHere(lab)}\n`);
  if (lab.problems.length > 0) throw new Error(lab.problems.join('\n'));
  await lab.close();
  console.log(`${view.name}.webp: ${(bytes.length / 1024).toFixed(0)} KB`);
}
