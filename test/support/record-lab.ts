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
const QUALITY = 28;
/** What the README may carry, bytes. */
const MOST_BYTES = 1_500_000;

const pictures: Uint8Array[] = [];
const scenario = presetOf('three-guests')?.scenario ?? { guests: [{}] };
const plans = [{ scenario, approach: 'cdna', discipline: 'drr', seed: 1 }];
// From where all three guests have frames on the wire.
const link = encodeLink({ plans, position: { atNs: 420_000, events: 0 }, paceNs: 50_000 });
const lab = await LabPage.open(link, { ...SIZE, stillness: false });
const { page } = lab;
const camera = await page.context().newCDPSession(page);

async function record(count: number): Promise<void> {
  for (let picture = 0; picture < count; picture += 1) {
    const { data } = await camera.send('Page.captureScreenshot', { format: 'webp', quality: QUALITY });
    pictures.push(Buffer.from(data, 'base64'));
    await page.waitForTimeout(EVERY_MS / 2);
  }
}

await lab.settle();
await page.locator('.play').click();
await page.waitForTimeout(1500);
await record(15);
await page.getByRole('tab', { name: 'Attacks' }).click();
await page.locator('[data-knob=attack-approach]').selectOption('iommu:single-use');
await page.locator('[data-attack=foreign-page-read]').click();
await page.locator('[data-verdict]').waitFor();
await page.waitForTimeout(300);
await record(12);
await lab.close();

const bytes = animatedWebp(pictures, { ...SIZE, durationMs: EVERY_MS });
if (bytes.length > MOST_BYTES)
  throw new Error(`the picture has ${bytes.length} bytes, expected at most ${MOST_BYTES}`);
const folder = fileURLToPath(new URL('../../docs/pictures/', import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}lab.webp`, bytes);
console.log(`docs/pictures/lab.webp: ${pictures.length} pictures, ${(bytes.length / 1024).toFixed(0)} KB`);
