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

/** How the page is looked at. */
export interface LabView {
  /** Whether the reader wants no motion; then the machine does not start by itself. */
  readonly stillness?: boolean;
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
  /** What is there once the page is. */
  readonly waitsFor?: string;
}

/** The lab in a real browser: as one file from disk, or from a server. */
export class LabPage {
  readonly page: Page;
  /** What went wrong in the page, and requests that left it: none is expected. */
  readonly problems: string[] = [];
  readonly #browser: Browser;

  private constructor(browser: Browser, page: Page, home: RegExp) {
    this.#browser = browser;
    this.page = page;
    page.on('pageerror', ({ message, stack }) => this.problems.push(stack ?? message));
    page.on('console', (line) => {
      if (line.type() === 'error') this.problems.push(line.text());
    });
    page.on('request', (request) => {
      if (!home.test(request.url())) this.problems.push(`request of ${request.url()}`);
    });
  }

  /**
   * @param hash what stands in the address behind the name of the page
   */
  static open(hash = '', view: LabView = {}): Promise<LabPage> {
    const address = `${pathToFileURL(join(builtLab(), 'lab.html')).href}${hash}`;
    return LabPage.#show(address, /^(file|blob|data):/u, view);
  }

  /** The page as a server of this host serves it. */
  static at(address: string, view: LabView = {}): Promise<LabPage> {
    const { host } = new URL(address);
    return LabPage.#show(address, new RegExp(`^((blob|data):|(http|ws)://${host}/)`, 'u'), view);
  }

  static async #show(
    address: string,
    home: RegExp,
    { stillness = true, width = 1440, height = 1000, scheme = 'light', waitsFor = '.domain' }: LabView,
  ): Promise<LabPage> {
    const executablePath = findChromium() ?? '';
    const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
    const page = await browser.newPage({
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: stillness ? 'reduce' : 'no-preference',
      acceptDownloads: true,
    });
    const lab = new LabPage(browser, page, home);
    await page.goto(address);
    await page.locator(waitsFor).first().waitFor();
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
