import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHROMIUM_FLAGS, findChromium } from '../../support/chromium.js';
import { REPORTS, writeReport } from '../../support/reports.js';
import { scratchFolder } from './scratch-folder.js';

const executablePath = findChromium();
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const scratch = scratchFolder();

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly target: readonly string[] }[];
}

describe.skipIf(executablePath === undefined)('axe', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: CHROMIUM_FLAGS });
  });
  afterAll(async () => browser?.close());

  test.for([...REPORTS, 'protection'] as const)(
    'finds nothing serious on the page of %s, light and dark, wide and narrow',
    { timeout: 300_000 },
    async (name) => {
      const isBeside = name === 'protection';
      const written = await writeReport(isBeside ? 'compare' : name, scratch.path('.'));
      // What each approach is lies beside a comparison.
      const path = isBeside ? join(dirname(written), 'protection.html') : written;
      for (const colorScheme of ['light', 'dark'] as const) {
        for (const width of [380, 1280]) {
          const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
          const page = await context.newPage();
          await page.goto(pathToFileURL(path).href);
          await page.evaluate(AXE);
          const violations = await page.evaluate<Violation[]>(
            'axe.run(document).then(({ violations }) => violations)',
          );
          const serious = violations
            .filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .map(({ id, nodes }) => `${id}: ${nodes.length}, first ${nodes[0]?.target.join(' ')}`);
          expect(serious, `${name}, ${colorScheme}, ${width} px`).toEqual([]);
          await context.close();
        }
      }
    },
  );
});
