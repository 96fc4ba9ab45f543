import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHROMIUM_FLAGS, findChromium } from '../../support/chromium.js';
import { REPORTS, type ReportName, writeReport } from '../../support/reports.js';
import { scratchFolder } from './scratch-folder.js';

const executablePath = findChromium();
if (executablePath === undefined) {
  process.stderr.write(
    '\n*** no Chromium (CHROMIUM_PATH, /usr/bin/chromium): looking at reports is SKIPPED ***\n\n',
  );
}

const scratch = scratchFolder();
const WIDTHS = [380, 768, 1280];
const SCHEMES = ['light', 'dark'] as const;
const GROUND = { light: 'rgb(253, 253, 252)', dark: 'rgb(21, 23, 26)' };

/** What the script in the page finds. */
interface Inspection {
  readonly shown: number;
  readonly hidden: number;
  readonly wrong: readonly string[];
  /** By how much the page is wider than the window, px. */
  readonly overflow: number;
  readonly ground: string;
}

const SCRIPT = readFileSync(new URL('../../support/inspect-plots.js', import.meta.url), 'utf8');
const inspect = (page: Page) => page.evaluate<Inspection>(SCRIPT);

describe.skipIf(executablePath === undefined)('in a browser', () => {
  const paths = new Map<ReportName, string>();
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: CHROMIUM_FLAGS });
    for (const name of REPORTS) paths.set(name, await writeReport(name, scratch.path('.')));
  });
  afterAll(async () => browser?.close());

  /** Opens a report. What it says on its console, and what it asks for besides itself, comes into `troubles`. */
  async function open(name: ReportName, width = 1280) {
    const context = await browser.newContext({ viewport: { width, height: 900 } });
    const page = await context.newPage();
    const url = pathToFileURL(paths.get(name) ?? '').href;
    const troubles: string[] = [];
    page.on('console', (message) => troubles.push(message.text()));
    page.on('pageerror', (error) => troubles.push(error.message));
    page.on('request', (request) => {
      if (request.url() !== url && !request.url().startsWith('data:')) troubles.push(request.url());
    });
    await page.goto(url);
    return { page, troubles, close: () => context.close() };
  }

  test.for(REPORTS)(
    '%s: every plot is drawn, nothing overflows at any width, no host is called',
    async (name) => {
      const { page, troubles, close } = await open(name);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        for (const colorScheme of SCHEMES) {
          await page.emulateMedia({ colorScheme });
          const { shown, hidden, wrong, overflow, ground } = await inspect(page);
          const where = `${width} px, ${colorScheme}`;
          expect(wrong, where).toEqual([]);
          expect(shown, where).toBeGreaterThan(0);
          expect(hidden, where).toBe(shown);
          expect(overflow, where).toBeLessThanOrEqual(0);
          expect(ground, where).toBe(GROUND[colorScheme]);
        }
        const fitting = page.locator(width === 380 ? '.plot.narrow' : '.plot.wide').first();
        expect(await fitting.isVisible(), `${width} px`).toBe(true);
      }
      // With everything open there are wide tables and long lines.
      await page.setViewportSize({ width: 380, height: 900 });
      await page.evaluate('for (const details of document.querySelectorAll("details")) details.open = true');
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(380);
      // On paper it is light whatever the screen is.
      await page.setViewportSize({ width: 720, height: 900 });
      await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
      const print = await inspect(page);
      expect(print.wrong).toEqual([]);
      expect(print.ground).toBe(GROUND.light);
      expect(await page.locator('nav').isVisible()).toBe(false);
      expect(troubles).toEqual([]);
      await close();
    },
  );

  test('the first key leads past the contents, and details open with a key', async () => {
    const { page, close } = await open('compare');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.className')).toBe('skip');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('location.hash')).toBe('#figures');
    // A short table is open from the start.
    const table = page.locator('#cpu table');
    expect(await table.isVisible()).toBe(true);
    expect(await table.locator('tbody tr').count()).toBe(5);
    const details = page.locator('#cpu details.parameters');
    expect(await details.locator('dl').isVisible()).toBe(false);
    await details.locator('summary').focus();
    await page.keyboard.press('Enter');
    expect(await details.locator('dl').isVisible()).toBe(true);
    await close();
  });

  test.for([...WIDTHS, 1150])(
    'at %i px the matrix says that it scrolls exactly where it does',
    async (width) => {
      const { page, close } = await open('attack', width);
      const scrolls = await page.evaluate(
        '(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector(".matrix"))',
      );
      expect(scrolls).toBe(width < 1200);
      expect(await page.getByText('it scrolls sideways').isVisible()).toBe(scrolls);
      await close();
    },
  );

  test.for([380, 1280])(
    'a cell of the matrix opens its evidence with a key at %i px, and gets the focus back',
    async (width) => {
      const { page, troubles, close } = await open('attack', width);
      const cell = page.getByRole('button', { name: /foreign-page-read on none, succeeded/u });
      await cell.focus();
      await page.keyboard.press('Enter');
      const evidence = page.locator('#evidence-foreign-page-read--none');
      expect(await evidence.isVisible()).toBe(true);
      expect(await evidence.innerText()).toContain('left the port');
      const box = await evidence.boundingBox();
      expect(box?.x).toBeGreaterThanOrEqual(0);
      expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(width);
      await page.keyboard.press('Escape');
      expect(await evidence.isVisible()).toBe(false);
      expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toMatch(
        /\bforeign-page-read on none/u,
      );
      await page.getByRole('button', { name: 'card-unasked: what it does' }).focus();
      await page.keyboard.press('Space');
      expect(await page.locator('#attack-card-unasked').isVisible()).toBe(true);
      expect(troubles).toEqual([]);
      await close();
    },
  );
});
