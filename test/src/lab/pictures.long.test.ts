import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { findChromium } from '../../support/chromium.js';
import { LabPage } from '../../support/lab-page.js';
import { differenceOf, fontsHere, LAB_VIEWS, openView, pictureOf } from '../../support/lab-pictures.js';

/** Share of a picture that may look other than stored: edges of letters, and a line of text that has moved by a pixel. */
const MOST_DIFFERENT = 0.01;

const folder = join(import.meta.dirname, 'pictures');
const hasChromium = findChromium() !== undefined;
if (!hasChromium)
  console.warn('no Chromium here: the lab is NOT compared with its pictures (apt-get install chromium)');

describe.skipIf(!hasChromium)('the page of the lab looks as its stored pictures do', () => {
  let areOurFonts = false;
  beforeAll(async () => {
    const lab = await LabPage.open();
    const fonts = await fontsHere(lab);
    await lab.close();
    areOurFonts = fonts === readFileSync(join(folder, 'fonts.txt'), 'utf8').trim();
    if (!areOurFonts)
      console.warn(
        `other fonts here (${fonts}): the lab is NOT compared with its pictures (npm run store:lab-pictures takes them anew)`,
      );
  });

  it.each(LAB_VIEWS.map((view) => [view.name, view] as const))(
    '%s',
    async (name, view) => {
      if (!areOurFonts) return;
      const lab = await openView(view);
      try {
        const stored = readFileSync(join(folder, `${name}.webp`));
        expect(await differenceOf(lab, await pictureOf(lab), stored)).toBeLessThan(MOST_DIFFERENT);
        expect(lab.problems).toEqual([]);
      } finally {
        await lab.close();
      }
    },
    120_000,
  );

  it('the comparison sees a part that is missing, and a theme that is another', async () => {
    if (!areOurFonts) return;
    const [first] = LAB_VIEWS;
    if (first === undefined) throw new Error('no view');
    const lab = await openView(first);
    const whole = await pictureOf(lab);
    expect(await differenceOf(lab, whole, await pictureOf(lab))).toBe(0);
    await lab.page.addStyleTag({ content: '.card { visibility: hidden }' });
    expect(await differenceOf(lab, whole, await pictureOf(lab))).toBeGreaterThan(MOST_DIFFERENT);
    const dark = readFileSync(join(folder, 'start-dark.webp'));
    expect(await differenceOf(lab, whole, dark)).toBeGreaterThan(0.5);
    await lab.close();
  }, 120_000);
});
