import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { CHROMIUM_FLAGS, findChromium } from './chromium.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const built = join(root, 'node_modules', '.cache', 'lab-test');

/** Folder of the built lab: built again when a source is newer than it. */
export function builtLab(): string {
  const page = join(built, 'lab.html');
  const sources = ['src', 'nic', 'host', 'guests', 'scheduler', 'scripts'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
      join(root, folder, name),
    ),
  );
  const newest = Math.max(...sources.map((path) => statSync(path).mtimeMs));
  if ((statSync(page, { throwIfNoEntry: false })?.mtimeMs ?? 0) < newest) {
    mkdirSync(built, { recursive: true });
    execFileSync(process.execPath, [join(root, 'scripts', 'build-lab.mjs'), built], {
      cwd: root,
      stdio: 'pipe',
    });
  }
  return built;
}

/** What the clock of the page says, as the page's own script. */
const CLOCK = "document.querySelector('.clock').dataset";

/** Where the lab stands in its run, as the page says. */
export interface LabPosition {
  readonly atNs: number;
  readonly events: number;
  readonly activity: string;
}

/** The lab in a real browser, as one file from disk. */
export class LabPage {
  readonly page: Page;
  /** What went wrong in the page, and requests that left it: none is expected. */
  readonly problems: string[] = [];
  readonly #browser: Browser;

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.page = page;
    page.on('pageerror', ({ message, stack }) => this.problems.push(stack ?? message));
    page.on('console', (line) => {
      if (line.type() === 'error') this.problems.push(line.text());
    });
    page.on('request', (request) => {
      if (!/^(file|blob|data):/u.test(request.url())) this.problems.push(`request of ${request.url()}`);
    });
  }

  /**
   * @param hash what stands in the address behind the name of the page
   * @param stillness whether the reader wants no motion; then the machine does not start by itself
   */
  static async open(
    hash = '',
    { stillness = true, width = 1440, height = 1000, scheme = 'light' as 'light' | 'dark' } = {},
  ): Promise<LabPage> {
    const executablePath = findChromium() ?? '';
    const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
    const page = await browser.newPage({
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: stillness ? 'reduce' : 'no-preference',
      acceptDownloads: true,
    });
    const lab = new LabPage(browser, page);
    await page.goto(`${pathToFileURL(join(builtLab(), 'lab.html')).href}${hash}`);
    await page.locator('.domain').first().waitFor();
    return lab;
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }

  async position(): Promise<LabPosition> {
    const clock = this.page.locator('.clock');
    return {
      atNs: Number(await clock.getAttribute('data-at-ns')),
      events: Number(await clock.getAttribute('data-events')),
      activity: (await clock.getAttribute('data-activity')) ?? '',
    };
  }

  async fingerprint(machine = 0): Promise<string> {
    const text = await this.page.locator('.machine').nth(machine).locator('.fingerprint').innerText();
    return /[0-9a-f]{16}/u.exec(text)?.[0] ?? text;
  }

  /** Waits until the machine stands still. */
  async settle(): Promise<LabPosition> {
    await this.page.locator('.clock:is([data-activity=paused],[data-activity=ended])').waitFor();
    // Two frames of the screen: the state that came last has been drawn.
    await this.page.evaluate(
      'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))',
    );
    return this.position();
  }

  async step(unit: 'event' | 'frame' | 'fault'): Promise<LabPosition> {
    await this.#leaves(() => this.page.locator(`[data-step=${unit}]`).click());
    return this.settle();
  }

  async back(unit: 'event' | 'frame' | 'fault'): Promise<LabPosition> {
    await this.#leaves(() => this.page.locator(`[data-back=${unit}]`).click());
    return this.settle();
  }

  /** Plays until so much virtual time has passed, then pauses. */
  async playTo(atNs: number): Promise<LabPosition> {
    await this.page.locator('.play').click();
    await this.page.waitForFunction(`${CLOCK}.atNs >= ${atNs}`, undefined, { timeout: 60_000 });
    await this.page.locator('.play').click();
    return this.settle();
  }

  /** Turns a knob that is a list or a number. */
  async turn(knob: string, value: string): Promise<void> {
    const control = this.page.locator(`[data-knob="${knob}"]`);
    if ((await control.evaluate((element) => element.tagName)) === 'SELECT')
      await control.selectOption(value);
    else {
      await control.fill(value);
      await control.blur();
    }
  }

  async #leaves(act: () => Promise<void>): Promise<void> {
    const { events } = await this.position();
    await act();
    await this.page.waitForFunction(`${CLOCK}.events != ${events}`);
  }
}
