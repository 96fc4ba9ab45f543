// npm run bench:lab:first [LOADS]: time from the navigation until the lab shows its first machine. Default: 5 loads.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { CHROMIUM_FLAGS, findChromium } from '../test/support/chromium.js';
import { builtLab } from '../test/support/lab-page.js';

const loads = Number(process.argv[2] ?? 5);
if (!(loads >= 1)) throw new Error(`loads are ${process.argv[2]}, expected a number of at least 1`);
const executablePath = findChromium();
if (executablePath === undefined)
  throw new Error('no Chromium here, expected one (apt-get install chromium)');
const address = pathToFileURL(join(builtLab(), 'lab.html')).href;
const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
/** Runs in the page: notes on its own clock, which begins with the navigation, when a domain is first there to be drawn. */
const WATCH = `new MutationObserver((_, observer) => {
  if (document.querySelector('.domain') === null) return;
  observer.disconnect();
  requestAnimationFrame(() => { window.firstPictureMs = performance.now(); });
}).observe(document, { childList: true, subtree: true });`;
const timesMs: number[] = [];
for (let load = 0; load < loads; load += 1) {
  // A context of its own: nothing is in the cache.
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(WATCH);
  await page.goto(address);
  await page.waitForFunction('window.firstPictureMs > 0');
  timesMs.push(Number(await page.evaluate('window.firstPictureMs')));
  await context.close();
}
await browser.close();
timesMs.sort((left, right) => left - right);
console.log(`first picture after ${timesMs.map((time) => time.toFixed(0)).join(', ')} ms`);
