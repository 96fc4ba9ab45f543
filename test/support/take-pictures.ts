/**
 * Takes the pictures of the reports that README and docs show: `npm run docs:pictures [FOLDER]`. Needs a Chromium
 * (CHROMIUM_PATH). Pictures are of what the commands write with their defaults, so they can be taken again.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { CHROMIUM_FLAGS, findChromium } from './chromium.js';
import { REPORTS, type ReportName, writeReport } from './reports.js';

const USE_AFTER_UNMAP = /use-after-unmap on iommu:deferred/u;

interface Picture {
  readonly file: string;
  readonly report: ReportName;
  /** Light unless it is said. */
  readonly colorScheme?: 'dark';
  readonly width: number;
  readonly height: number;
  /** Its top edge is the top of the window; the top of the page if there is none. */
  readonly from?: string;
  /** Pressed before the picture is taken. */
  readonly press?: RegExp;
}

const PICTURES: readonly Picture[] = [
  {
    file: 'report-compare.png',
    report: 'compare',
    width: 1000,
    height: 720,
    from: '#price-and-protection',
  },
  { file: 'report-memory.png', report: 'compare', width: 1000, height: 560, from: '#memory' },
  { file: 'report-phone.png', report: 'compare', colorScheme: 'dark', width: 380, height: 760, from: '#cpu' },
  {
    file: 'report-attack.png',
    report: 'attack',
    width: 1280,
    height: 800,
    from: '.matrix',
    press: USE_AFTER_UNMAP,
  },
  { file: 'report-fairness.png', report: 'fairness', width: 1000, height: 560, from: '#bounds' },
  {
    file: 'report-reproduce.png',
    report: 'reproduce',
    width: 1000,
    height: 860,
    from: '#experiment-iommu-hardware',
  },
  { file: 'report-sweep.png', report: 'sweep', width: 1000, height: 530, from: '#metric-hypervisorfraction' },
];

const [folder = 'docs/pictures'] = process.argv.slice(2);
const executablePath = findChromium();
if (executablePath === undefined) throw new Error('no Chromium: set CHROMIUM_PATH');
mkdirSync(folder, { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), 'pictures-'));
const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
try {
  for (const report of REPORTS) {
    const path = await writeReport(report, scratch, []);
    for (const picture of PICTURES.filter((one) => one.report === report)) {
      const { colorScheme = 'light', width, height } = picture;
      const context = await browser.newContext({
        colorScheme,
        viewport: { width, height },
      });
      const page = await context.newPage();
      await page.goto(pathToFileURL(path).href);
      if (picture.from !== undefined) {
        await page.evaluate(`document.querySelector(${JSON.stringify(picture.from)}).scrollIntoView()`);
      }
      if (picture.press !== undefined) await page.getByRole('button', { name: picture.press }).click();
      await page.screenshot({ path: join(folder, picture.file) });
      await context.close();
      process.stdout.write(`wrote ${join(folder, picture.file)}\n`);
    }
  }
} finally {
  await browser.close();
  rmSync(scratch, { recursive: true });
}
