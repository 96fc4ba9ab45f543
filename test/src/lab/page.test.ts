import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium } from '../../support/chromium.js';
import { LabPage } from '../../support/lab-page.js';
import { defaultPlan, straight } from './straight.js';

const hasChromium = findChromium() !== undefined;
if (!hasChromium)
  console.warn('no Chromium here: the page of the lab is NOT tested (apt-get install chromium)');

describe.skipIf(!hasChromium)('lab.html, opened from disk', () => {
  let lab: LabPage;
  beforeAll(async () => {
    lab = await LabPage.open();
  });
  afterAll(() => lab.close());

  it('shows the machine, steps to a frame, and has the fingerprint that Node computes; nothing leaves the page', async () => {
    expect(await lab.page.locator('.domain').allInnerTexts()).toHaveLength(4);
    await lab.step('frame');
    const { atNs } = await lab.step('frame');
    const there = await lab.playTo(atNs + 100_000);
    expect(await lab.fingerprint()).toBe(straight(defaultPlan, there.atNs));
    expect(lab.problems).toEqual([]);
  });
});
