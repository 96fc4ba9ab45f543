import { createHash } from 'node:crypto';
import { encodeLink } from '../../src/lab/link.js';
import { presetOf } from '../../src/lab/presets.js';
import { LabPage } from './lab-page.js';

/** A state of the page that is looked at: where it stands, and what the reader has done there. */
export interface LabView {
  readonly name: string;
  readonly size?: { readonly width: number; readonly height: number };
  readonly scheme?: 'light' | 'dark';
  readonly preset?: string;
  readonly approach?: string;
  /** Approach of a second machine. */
  readonly beside?: string;
  readonly atNs?: number;
  readonly act?: (lab: LabPage) => Promise<void>;
}

async function tab(lab: LabPage, name: string): Promise<void> {
  await lab.page.getByRole('tab', { name }).click();
}

/** Goes by whole frames of the wire until so many have left. */
async function frames(lab: LabPage, count: number): Promise<void> {
  for (let frame = 0; frame < count; frame += 1) await lab.step('frame');
}

async function attack(lab: LabPage, approach: string, name: string): Promise<void> {
  await tab(lab, 'Attacks');
  await lab.turn('attack-approach', approach);
  await lab.page.locator(`[data-attack=${name}]`).click();
  await lab.page.locator('[data-verdict]').waitFor();
}

/** The main states of the page. */
export const LAB_VIEWS: readonly LabView[] = [
  { name: 'start' },
  { name: 'start-dark', scheme: 'dark' },
  { name: 'knobs', act: (lab) => tab(lab, 'Knobs') },
  { name: 'side-by-side', approach: 'cdna', beside: 'iommu:single-use' },
  {
    name: 'eight-guests',
    preset: 'eight-guests',
    approach: 'iommu:persistent',
    atNs: 200_000,
  },
  {
    name: 'sent-frame',
    preset: 'one-guest',
    approach: 'iommu:single-use',
    atNs: 110_000,
    act: async (lab) => {
      await lab.page.locator('[data-follow=transmit]').click();
      await frames(lab, 1);
    },
  },
  {
    name: 'received-frame-bridged-dark',
    preset: 'two-ways',
    approach: 'driver-domain',
    scheme: 'dark',
    act: async (lab) => {
      await lab.page.locator('[data-follow=receive]').first().click();
      await frames(lab, 5);
    },
  },
  {
    name: 'look-context',
    act: async (lab) => {
      await lab.page.locator('[data-anchor="context-1"]').click();
      await lab.page.locator('.look table').first().waitFor();
    },
  },
  {
    name: 'refused-dark',
    scheme: 'dark',
    act: async (lab) => {
      await attack(lab, 'iommu:single-use', 'foreign-page-read');
      await lab.page.locator('[data-step=fault]').click();
    },
  },
  {
    name: 'tour',
    act: async (lab) => {
      await lab.page.locator('[data-tour=cdna]').click();
      await lab.page.locator('[data-tour-next]').click();
      await lab.settle();
    },
  },
  { name: 'phone', size: { width: 390, height: 844 } },
  {
    name: 'phone-dark-attack',
    size: { width: 390, height: 844 },
    scheme: 'dark',
    act: (lab) => attack(lab, 'cdna', 'foreign-page-read'),
  },
];

/** How long things that moved are still seen by a reader who wants stillness, and more, ms. */
const STILL_MS = 3500;

/** Opens a view, and waits until nothing on it changes any more. */
export async function openView({
  size = { width: 1440, height: 900 },
  scheme = 'light',
  preset = 'three-guests',
  approach = 'cdna',
  beside,
  atNs = 300_000,
  act,
}: LabView): Promise<LabPage> {
  const plan = {
    scenario: presetOf(preset)?.scenario ?? { guests: [] },
    approach,
    discipline: 'drr',
    seed: 1,
  };
  const plans = beside === undefined ? [plan] : [plan, { ...plan, approach: beside }];
  const link = encodeLink({ plans, position: { atNs, events: 0 }, paceNs: 50_000 });
  const lab = await LabPage.open(link, { ...size, scheme });
  await lab.page.waitForFunction(`document.querySelector('.clock').dataset.atNs >= ${atNs}`);
  await lab.settle();
  await act?.(lab);
  await lab.page.waitForTimeout(STILL_MS);
  // How many points a plot has is a matter of how fast this machine is.
  await lab.page.addStyleTag({ content: '.plot canvas { visibility: hidden }' });
  return lab;
}

const QUALITY = 70;
/** Sides of a picture as a share of those of the page: enough to see what is where, and small to store. */
const SCALE = 0.5;

/** A picture of the page as it is now, WebP, half as wide and high. */
export async function pictureOf({ page }: LabPage): Promise<Buffer> {
  const session = await page.context().newCDPSession(page);
  const { width, height } = page.viewportSize() ?? { width: 0, height: 0 };
  const y = Number(await page.evaluate('scrollY'));
  const { data } = await session.send('Page.captureScreenshot', {
    format: 'webp',
    quality: QUALITY,
    clip: { x: 0, y, width, height, scale: SCALE },
  });
  return Buffer.from(data, 'base64');
}

/** What the fonts of this machine make of the page's own: widths of texts, as a hash. */
export async function fontsHere({ page }: LabPage): Promise<string> {
  const widths = await page.evaluate(`(() => {
    const context = document.createElement('canvas').getContext('2d');
    const families = [document.body, document.querySelector('.clock b')]
      .map((element) => getComputedStyle(element).fontFamily);
    return families.flatMap((family) => ['400', '600'].flatMap((weight) => {
      context.font = weight + ' 40px ' + family;
      return ['Hypervisor IOMMU 0123456789', 'µs – ◎ ↓ ↑ › ▶ ❚❚', 'iiiWWWmmm'].map((text) => context.measureText(text).width);
    }));
  })()`);
  return createHash('sha256').update(JSON.stringify(widths)).digest('hex').slice(0, 16);
}

/** How two pictures differ, seen from some distance: share of blocks of 3 x 3 pixels whose colour is another one, 0 to 1. */
export async function differenceOf({ page }: LabPage, one: Buffer, other: Buffer): Promise<number> {
  const urls = [one, other].map((bytes) => `data:image/webp;base64,${bytes.toString('base64')}`);
  return Number(
    await page.evaluate(`(async () => {
      const images = await Promise.all(${JSON.stringify(urls)}.map(async (url) => {
        const image = new Image();
        image.src = url;
        await image.decode();
        return image;
      }));
      const [first, second] = images;
      if (first.width !== second.width || first.height !== second.height) return 1;
      const width = Math.floor(first.width / 3);
      const height = Math.floor(first.height / 3);
      const [left, right] = images.map((image) => {
        const canvas = document.createElement('canvas');
        canvas.width = width;
        canvas.height = height;
        const context = canvas.getContext('2d');
        context.imageSmoothingQuality = 'high';
        context.drawImage(image, 0, 0, width, height);
        return context.getImageData(0, 0, width, height).data;
      });
      let others = 0;
      for (let at = 0; at < left.length; at += 4) {
        const most = Math.max(...[0, 1, 2].map((part) => Math.abs(left[at + part] - right[at + part])));
        if (most > 40) others += 1;
      }
      return others / (width * height);
    })()`),
  );
}
