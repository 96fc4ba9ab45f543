// Records docs/pictures/lab.webp: the lab at work, for the README. `npm run docs:lab` builds the page and runs this.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { encodeLink } from '../../src/lab/link.js';
import { presetOf } from '../../src/lab/presets.js';
import { animatedWebp } from './animated-webp.js';
import { LabPage } from './lab-page.js';

const SIZE = { width: 1180, height: 770 };
/** Between two pictures, ms of the reader's time. */
const EVERY_MS = 160;
/** How much slower it is recorded than it is shown, so that a busy machine has the time for each picture. */
const SLOWER = 5;
/** Pace as it is shown, ns of virtual time per second; it is recorded at a fifth of it. */
const PACE_NS = 50_000;
/** Where in the film the attack is about to begin. */
const FIRST_OF_FILM = 16;
/** How long things have moved when a picture of a film is taken, ms. */
const UNDER_WAY_MS = 540;
/** Pictures of a film from one of ours to the next. */
const FILM_STEP = 3;
const QUALITY = 28;
/** What the README may carry, bytes. */
const MOST_BYTES = 1_500_000;

const pictures: Uint8Array[] = [];
const scenario = presetOf('three-guests')?.scenario ?? { guests: [{}] };
const plans = [{ scenario, approach: 'cdna', discipline: 'drr', seed: 1 }];
// From where all three guests have frames on the wire.
const link = encodeLink({ plans, position: { atNs: 420_000, events: 0 }, paceNs: PACE_NS / SLOWER });
const lab = await LabPage.open(link, { ...SIZE, stillness: false });
const { page } = lab;
const camera = await page.context().newCDPSession(page);

/** Runs in the page: its clock stands until it is moved on, so that things move as far as they would from picture to picture. */
const SLOW_CLOCK = `(() => {
  const next = requestAnimationFrame.bind(window);
  window.labNowMs = performance.now();
  performance.now = () => window.labNowMs;
  window.requestAnimationFrame = (work) => next(() => work(window.labNowMs));
})()`;
const DRAWN = 'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))';

async function record(count: number, before: (picture: number) => Promise<void>): Promise<void> {
  for (let picture = 0; picture < count; picture += 1) {
    const startMs = performance.now();
    await page.evaluate(`labNowMs += ${EVERY_MS}`);
    await before(picture);
    await page.evaluate(DRAWN);
    const { data } = await camera.send('Page.captureScreenshot', { format: 'webp', quality: QUALITY });
    pictures.push(Buffer.from(data, 'base64'));
    await page.waitForTimeout(Math.max(0, EVERY_MS * SLOWER - (performance.now() - startMs)));
  }
}

await lab.settle();
await page.evaluate(SLOW_CLOCK);
await page.locator('.play').click();
// The pace is that at which it will be seen.
await page.evaluate(`document.querySelector('[data-knob=pace]').value = '${PACE_NS}'`);
const nothing = async () => undefined;
await record(8, nothing);
// The first ones are of a picture on which nothing moves yet.
pictures.length = 0;
await record(15, nothing);
await page.getByRole('tab', { name: 'Attacks' }).click();
await page.locator('[data-knob=attack-approach]').selectOption('iommu:single-use');
await page.locator('[data-attack=foreign-page-read]').click();
await page.locator('[data-verdict]').waitFor();
const film = page.getByRole('slider', { name: 'Picture of the film' });
await record(12, async (picture) => {
  await film.fill(String(FIRST_OF_FILM + picture * FILM_STEP));
  // What the picture brings is seen where it ends: a refusal on its gate.
  await page.evaluate(DRAWN);
  await page.evaluate(`labNowMs += ${UNDER_WAY_MS}`);
});
await lab.close();

const bytes = animatedWebp(pictures, { ...SIZE, durationMs: EVERY_MS });
if (bytes.length > MOST_BYTES)
  throw new Error(`the picture has ${bytes.length} bytes, expected at most ${MOST_BYTES}`);
const folder = fileURLToPath(new URL('../../docs/pictures/', import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}lab.webp`, bytes);
console.log(`docs/pictures/lab.webp: ${pictures.length} pictures, ${(bytes.length / 1024).toFixed(0)} KB`);
