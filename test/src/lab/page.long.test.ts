import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeLink } from '../../../src/lab/link.js';
import type { LabPlan } from '../../../src/lab/plan.js';
import { presetOf } from '../../../src/lab/presets.js';
import { TOURS } from '../../../src/lab/tours/index.js';
import { findChromium } from '../../support/chromium.js';
import { labMemory } from '../../support/lab-memory.js';
import { builtLab, LabPage } from '../../support/lab-page.js';
import { defaultPlan, straight } from './straight.js';

const hasChromium = findChromium() !== undefined;
if (!hasChromium)
  console.warn('no Chromium here: the page of the lab is NOT tested (apt-get install chromium)');

/** The link to a plan that stands at a time. */
const linkTo = (plan: LabPlan, atNs = 0) =>
  encodeLink({ plans: [plan], position: { atNs, events: 0 }, paceNs: 1_000_000 });

/** A plan on a scenario of the lab. */
const planOf = (preset: string, approach: string, discipline = 'drr'): LabPlan => ({
  scenario: presetOf(preset)?.scenario ?? defaultPlan.scenario,
  approach,
  discipline,
  seed: 1,
});

describe.skipIf(!hasChromium)('the page of the lab', () => {
  let lab: LabPage | undefined;
  const opened = async (...given: Parameters<typeof LabPage.open>): Promise<LabPage> => {
    lab = await LabPage.open(...given);
    return lab;
  };
  afterEach(async () => {
    const problems = lab?.problems ?? [];
    await lab?.close();
    lab = undefined;
    expect(problems).toEqual([]);
  });

  it('takes less than 400 KB packed, as a folder and as one file', () => {
    const folder = builtLab();
    const packed = (name: string) => gzipSync(readFileSync(join(folder, name)), { level: 9 }).length;
    const names = ['index.html', ...readdirSync(join(folder, 'assets')).map((name) => `assets/${name}`)];
    expect(names.reduce((sum, name) => sum + packed(name), 0)).toBeLessThan(400 * 1024);
    expect(packed('lab.html')).toBeLessThan(400 * 1024);
    expect(readFileSync(join(folder, 'lab.html'), 'utf8')).not.toMatch(/(src|href)="(?!data:|#)[^"]/u);
  });

  it('opened from disk without a link it shows three guests, steps to a frame, and has the fingerprint of Node', async () => {
    const page = await opened();
    expect(await page.page.locator('.domain').allInnerTexts()).toHaveLength(4);
    await page.step('frame');
    const { atNs } = await page.step('frame');
    const there = await page.playTo(atNs + 100_000);
    expect(await page.fingerprint()).toBe(straight(defaultPlan, there.atNs));
  });

  it('computes in Chromium what Node computes, under each approach', async () => {
    for (const approach of ['none', 'dev', 'driver-domain', 'cdna', 'iommu:deferred', 'cdna+iommu']) {
      const plan = planOf('two-ways', approach);
      const page = await opened(linkTo(plan, 700_000));
      const { atNs } = await page.settle();
      expect(atNs, approach).toBe(700_000);
      expect(await page.fingerprint(), approach).toBe(straight(plan, atNs));
      await page.close();
      expect(page.problems).toEqual([]);
    }
  });

  it('is after steps and as many steps back where it was, and a run on from there is a straight one', async () => {
    const page = await opened(linkTo(planOf('one-guest', 'cdna')));
    await page.step('frame');
    const before = await page.step('event');
    const print = await page.fingerprint();
    for (let steps = 0; steps < 3; steps += 1) await page.step('event');
    for (let steps = 0; steps < 3; steps += 1) await page.back('event');
    expect(await page.position()).toEqual(before);
    expect(await page.fingerprint()).toBe(print);
    const { atNs } = await page.playTo(before.atNs + 300_000);
    expect(await page.fingerprint()).toBe(straight(planOf('one-guest', 'cdna'), atNs));
  });

  it.each([
    ['approach-0', 'iommu:shared', { approach: 'iommu:shared' }],
    ['discipline-0', 'wf2q+', { discipline: 'wf2q+' }],
    ['seed', '99', { seed: 99 }],
  ] as const)('the knob %s starts the machine anew with its new setting', async (knob, value, change) => {
    const page = await opened(linkTo(defaultPlan, 200_000));
    await page.settle();
    await page.page.getByRole('tab', { name: 'Knobs' }).click();
    await page.turn(knob, value);
    await page.page.waitForFunction("document.querySelector('.clock').dataset.events == 0");
    const { atNs } = await page.playTo(400_000);
    expect(await page.fingerprint()).toBe(straight({ ...defaultPlan, ...change }, atNs));
  });

  it.each([
    ['iotlb', '4'],
    ['vendor', 'amdvi'],
    ['traffic-0', 'request'],
    ['scenario', 'neighbours'],
  ])('the knob %s changes the scenario, which the link then carries', async (knob, value) => {
    const page = await opened(linkTo({ ...defaultPlan, approach: 'iommu:single-use' }, 100_000));
    await page.settle();
    const hash = await page.page.evaluate('location.hash');
    await page.page.getByRole('tab', { name: 'Knobs' }).click();
    await page.turn(knob, value);
    await page.page.waitForFunction("document.querySelector('.clock').dataset.events == 0");
    await page.page.waitForFunction(`location.hash !== ${JSON.stringify(hash)}`);
    const link = String(await page.page.evaluate('location.hash'));
    const { decodeLink } = await import('../../../src/lab/link.js');
    const [plan] = decodeLink(link).plans;
    const { atNs } = await page.playTo(300_000);
    expect(await page.fingerprint()).toBe(straight(plan ?? defaultPlan, atNs));
  });

  it('guests come and go, a weight changes while the machine runs, and a limit where the discipline has one', async () => {
    const page = await opened(linkTo({ ...defaultPlan, discipline: 'limited:drr' }, 300_000));
    await page.settle();
    await page.page.getByRole('tab', { name: 'Knobs' }).click();
    await page.turn('weight-web', '4');
    await page.page.waitForFunction("location.hash.includes('s=~')");
    await page.settle();
    await page.turn('limit-batch', '100');
    await page.settle();
    await page.page.locator('[data-knob="balloon-db"]').click();
    await page.settle();
    const { atNs } = await page.playTo(1_200_000);
    const scenario = {
      ...defaultPlan.scenario,
      changes: [
        { atNs: 300_001, guest: 'web', weight: 4 },
        { atNs: 300_001, guest: 'batch', limitBps: 100e6 },
        { atNs: 300_001, guest: 'db', balloon: 8 },
      ],
    };
    expect(await page.fingerprint()).toBe(
      straight({ ...defaultPlan, scenario, discipline: 'limited:drr' }, atNs),
    );
    await page.page.locator('[data-knob=add-guest]').click();
    const fourth = page.page.locator('.domain').getByText('guest4', { exact: true });
    await fourth.waitFor();
    await page.page.locator('[data-knob=remove-guest]').click();
    await fourth.waitFor({ state: 'detached' });
  });

  it('what a guest sends changes while the machine runs, and is an entry of the changes', async () => {
    const page = await opened(linkTo(defaultPlan, 300_000));
    await page.settle();
    await page.page.getByRole('tab', { name: 'Knobs' }).click();
    await page.turn('traffic-0', 'constant');
    await page.page.waitForFunction("location.hash.includes('s=~')");
    await page.settle();
    await page.turn('bytes-2', '256');
    await page.settle();
    const { atNs } = await page.playTo(1_000_000);
    const changes = [
      { atNs: 300_001, guest: 'web', traffic: { kind: 'constant', wireRateBps: 200_000_000 } as const },
      { atNs: 300_001, guest: 'batch', traffic: { kind: 'greedy', frameBytes: 256 } as const },
    ];
    const scenario = { ...defaultPlan.scenario, changes };
    expect(await page.fingerprint()).toBe(straight({ ...defaultPlan, scenario }, atNs));
  });

  it('the rate of the wire changes while the machine runs: no start anew, a link and a command that carry it, and a way back', async () => {
    const page = await opened(linkTo(defaultPlan, 300_000));
    const before = await page.settle();
    await page.page.getByRole('tab', { name: 'Knobs' }).click();
    expect(await page.page.locator('.wire .wire-rate').innerText()).toBe('1 Gb/s');
    await page.turn('rate', '100000000');
    await page.page.waitForFunction("location.hash.includes('s=~')");
    expect(await page.settle()).toEqual(before);
    const changes = [{ atNs: 300_001, rateBps: 100_000_000 }];
    const scenario = { ...defaultPlan.scenario, changes };
    const plan = { ...defaultPlan, scenario };
    const { atNs } = await page.playTo(900_000);
    expect(await page.page.locator('.wire .wire-rate').innerText()).toBe('100 Mb/s');
    expect(await page.fingerprint()).toBe(straight(plan, atNs));
    const { decodeLink } = await import('../../../src/lab/link.js');
    const link = String(await page.page.evaluate('location.hash'));
    expect(decodeLink(link).plans).toEqual([plan]);
    await page.page.getByRole('tab', { name: 'Links' }).click();
    const command = await page.page.locator('pre').allInnerTexts();
    expect(command.join('\n')).toContain('"rateBps": 100000000');
    // Back over frames that left at the slow rate, and forth again.
    const there = await page.step('event');
    const print = await page.fingerprint();
    for (let steps = 0; steps < 2; steps += 1) await page.back('event');
    for (let steps = 0; steps < 2; steps += 1) await page.step('event');
    expect(await page.position()).toEqual(there);
    expect(await page.fingerprint()).toBe(print);
    // The knob has a rate that is none of its own.
    await page.close();
    const odd = { ...defaultPlan, scenario: { ...defaultPlan.scenario, nic: { rateBps: 4_000_000_000 } } };
    const other = await opened(linkTo(odd, 100_000));
    await other.settle();
    await other.page.getByRole('tab', { name: 'Knobs' }).click();
    expect(await other.page.locator('[data-knob=rate]').inputValue()).toBe('4000000000');
  });

  it('a priority changes while the machine runs, where the discipline has one', async () => {
    const page = await opened(linkTo({ ...defaultPlan, discipline: 'priority' }, 300_000));
    await page.settle();
    await page.page.getByRole('tab', { name: 'Knobs' }).click();
    await page.turn('priority-batch', '7');
    await page.page.waitForFunction("location.hash.includes('s=~')");
    await page.settle();
    const { atNs } = await page.playTo(900_000);
    const scenario = {
      ...defaultPlan.scenario,
      changes: [{ atNs: 300_001, guest: 'batch', priority: 7 }],
    };
    expect(await page.fingerprint()).toBe(
      straight({ ...defaultPlan, scenario, discipline: 'priority' }, atNs),
    );
  });

  it('says in words what turns red: which gate, which rule, which byte', async () => {
    const page = await opened(linkTo(defaultPlan));
    await page.page.getByRole('tab', { name: 'Attacks' }).click();
    await page.turn('attack-approach', 'cdna');
    await page.page.locator('[data-attack=foreign-page-read]').click();
    await page.page.locator('[data-verdict]').waitFor();
    await page.page.locator('[data-step=fault]').click();
    const said = page.page.locator('[role=status].visually-hidden');
    await said
      .getByText(/^set-up gate: not-owner: buffer of \d+ bytes at 0x[0-9a-f]+; byte \d+ of it/u)
      .waitFor();
  });

  it('runs two machines side by side on the same traffic to the same instant', async () => {
    const page = await opened(linkTo(defaultPlan));
    await page.page.getByRole('tab', { name: 'Knobs' }).click();
    await page.page.locator('[data-knob=side-by-side]').check();
    await page.page.locator('.machine').nth(1).locator('.domain').first().waitFor();
    const { atNs } = await page.playTo(500_000);
    expect(await page.fingerprint(0)).toBe(straight(defaultPlan, atNs));
    expect(await page.fingerprint(1)).toBe(straight({ ...defaultPlan, approach: 'iommu:single-use' }, atNs));
  });

  it('shows what happens to readers who want stillness, and asks for no frame of the screen once all is drawn', async () => {
    const page = await opened(linkTo(planOf('one-guest', 'cdna')));
    await page.step('frame');
    const painted = Number(
      await page.page.evaluate(
        "(() => { const canvas = document.querySelector('.overlay'); const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); let painted = 0; for (let at = 3; at < data.length; at += 4) if (data[at] > 200) painted += 1; return painted; })()",
      ),
    );
    expect(painted).toBeGreaterThan(20);
    // A token is there for less than three seconds.
    const asked = Number(
      await page.page.evaluate(
        'new Promise((done) => setTimeout(() => { let asked = 0; const ask = requestAnimationFrame; window.requestAnimationFrame = (then) => { asked += 1; return ask(then); }; setTimeout(() => done(asked), 500); }, 3000))',
      ),
    );
    expect(asked).toBe(0);
  });

  it('a link that is opened elsewhere shows the same state, and a changed address is followed', async () => {
    const page = await opened(linkTo(planOf('neighbours', 'cdna', 'fifo')));
    await page.step('frame');
    const there = await page.step('event');
    const print = await page.fingerprint();
    const hash = String(await page.page.evaluate('location.hash'));
    await page.close();
    const other = await opened(hash);
    await other.page.waitForFunction(`document.querySelector('.clock').dataset.events == ${there.events}`);
    expect(await other.settle()).toEqual(there);
    expect(await other.fingerprint()).toBe(print);
    await other.page.evaluate(
      `location.hash = ${JSON.stringify(linkTo(planOf('two-ways', 'none'), 50_000))}`,
    );
    await other.page.waitForFunction("document.querySelector('.clock').dataset.atNs == 50000");
    expect(await other.fingerprint()).toBe(straight(planOf('two-ways', 'none'), 50_000));
  });

  it('plays an attack: verdict and evidence, the gate in red, and back to the machine as it was', async () => {
    const page = await opened(linkTo(defaultPlan, 100_000));
    const before = await page.settle();
    await page.page.getByRole('tab', { name: 'Attacks' }).click();
    await page.turn('attack-approach', 'iommu:single-use');
    await page.page.locator('[data-attack=foreign-page-read]').click();
    await page.page.locator('[data-verdict=blocked-at-access]').waitFor();
    await page.page.locator('[data-step=fault]').click();
    await page.page.locator('[data-step=fault]').click();
    await page.page.locator('.gate[data-anchor=access] .refusals').waitFor();
    await page.page.getByText('back to the machine').click();
    expect(await page.settle()).toEqual(before);
  });

  it('plays an attack between guests of the run on both machines, and a link carries it', async () => {
    const page = await opened(
      encodeLink({
        plans: [defaultPlan, { ...defaultPlan, approach: 'iommu:single-use' }],
        position: { atNs: 200_000, events: 0 },
        paceNs: 1_000_000,
      }),
    );
    const before = await page.settle();
    await page.page.getByRole('tab', { name: 'Attacks' }).click();
    await page.turn('attack-where', 'here');
    await page.turn('attacker', 'db');
    await page.turn('victim', 'batch');
    await page.page.locator('[data-attack=foreign-page-read]').click();
    await page.page.locator('[data-verdict=blocked-at-set-up]').waitFor();
    await page.page.locator('[data-verdict=blocked-at-access]').waitFor();
    expect(await page.page.locator('.verdict .cast').allInnerTexts()).toEqual([
      'db attacks batch',
      'db attacks batch',
    ]);
    expect(await page.page.locator('.machine').count()).toBe(2);
    await page.page.waitForFunction("location.hash.includes('attack=foreign-page-read')");
    const hash = String(await page.page.evaluate('location.hash'));
    await page.page.getByText('back to the machine').click();
    expect(await page.settle()).toEqual(before);
    await page.close();
    const other = await opened(hash);
    await other.page.locator('[data-verdict=blocked-at-access]').waitFor();
    await other.page.locator('.verdict .cast').getByText('db attacks batch').first().waitFor();
  });

  it('shows registers, rings and tables of what is clicked, and follows a frame to its interrupt', async () => {
    const page = await opened(linkTo(planOf('one-guest', 'iommu:single-use'), 110_000));
    await page.settle();
    await page.page.locator('[data-anchor="context-1"]').click();
    await page.page.locator('.look').getByText('TX_PRODUCER', { exact: true }).waitFor();
    await page.page
      .locator('.pages')
      .nth(2)
      .click({ position: { x: 5, y: 5 } });
    await page.page
      .locator('.look h3')
      .getByText(/^Page \d+$/u)
      .waitFor();
    await page.page.locator('[data-follow=transmit]').click();
    await page.playTo(200_000);
    await page.page.locator('.story').getByText('The card interrupts the hypervisor').waitFor();
    expect(await page.page.locator('.story .entry').count()).toBeGreaterThan(10);
  });

  it.each(TOURS.map(({ id }) => id))(
    'the tour %s goes from its first step to a right and a wrong answer',
    async (id) => {
      const tour = TOURS.find((each) => each.id === id);
      if (tour === undefined) throw new Error('no such tour');
      const page = await opened(linkTo(defaultPlan));
      await page.page.locator(`[data-tour=${id}]`).click();
      for (const step of tour.steps) {
        await page.page.locator('.tour h3').getByText(step.title, { exact: true }).waitFor();
        for (const act of step.acts ?? []) {
          if (act.kind === 'attack')
            await page.page.getByText(`${act.attack} on ${act.approach}`, { exact: true }).first().waitFor();
        }
        await page.page.locator('[data-tour-next]').click();
      }
      await page.page.locator('.question').waitFor();
      const { knob, answers } = tour.question;
      if (knob === 'iotlbEntries') await page.page.getByRole('tab', { name: 'Knobs' }).click();
      const control = knob === 'iotlbEntries' ? 'iotlb' : `${knob}-0`;
      for (const { oneOf, isRight, says } of answers.slice(0, 2)) {
        await page.turn(control, oneOf[0] ?? '');
        await page.page.getByRole('tab', { name: 'Tours' }).click();
        // Two wrong answers follow each other: the second judgement is waited for by its words.
        const judged = page.page.locator(`.judgement.${isRight ? 'right' : 'wrong'}`, { hasText: says });
        await judged.waitFor();
        expect(await judged.innerText()).toBe(says);
        if (knob === 'iotlbEntries') await page.page.getByRole('tab', { name: 'Knobs' }).click();
      }
    },
  );

  it('takes a scenario and a capture that are dropped, and refuses one that names modules', async () => {
    const page = await opened(linkTo(defaultPlan));
    await page.page.getByRole('tab', { name: 'Links' }).click();
    const files = page.page.locator('input[type=file]');
    const json = (value: unknown) => ({
      name: 'mine.json',
      mimeType: 'application/json',
      buffer: Buffer.from(JSON.stringify(value)),
    });
    await files.setInputFiles(json({ ...defaultPlan.scenario, discipline: './mine.ts' }));
    await page.page.getByRole('alert').getByText('scenario: discipline is "./mine.ts", a module').waitFor();
    await files.setInputFiles(json(presetOf('one-guest')?.scenario));
    await page.page.locator('.domain').nth(2).waitFor({ state: 'detached' });
    await files.setInputFiles(join(import.meta.dirname, '../../../captures/web.pcapng'));
    await page.page.locator('.domain').getByText('replayed', { exact: true }).waitFor();
    await page.playTo(100_000);
    // A drop as the browser makes one; a small file that unpacks to more than the page takes is refused.
    const drop = (name: string, bytes: Buffer) =>
      page.page.evaluate(
        `(() => {
          const data = new DataTransfer();
          const bytes = Uint8Array.from(atob('${bytes.toString('base64')}'), (letter) => letter.charCodeAt(0));
          data.items.add(new File([bytes], '${name}'));
          dispatchEvent(new DragEvent('drop', { dataTransfer: data, cancelable: true }));
        })()`,
      );
    await drop('bomb.pcap.gz', gzipSync(Buffer.alloc(257 * 2 ** 20), { level: 1 }));
    await page.page
      .getByRole('alert')
      .getByText('bomb.pcap.gz has over 268435456 bytes when unpacked')
      .waitFor();
    await drop('two.json', Buffer.from(JSON.stringify(presetOf('two-ways')?.scenario)));
    await page.page.locator('.domain').getByText('replayed', { exact: true }).waitFor({ state: 'detached' });
  });

  it('has no serious finding of axe: light, dark, narrow, on every panel, in a tour and in a film', async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    for (const setting of [
      { scheme: 'light' as const },
      { scheme: 'dark' as const },
      { width: 390, height: 844 },
    ]) {
      const page = await opened(linkTo(defaultPlan, 300_000), setting);
      await page.settle();
      await page.page.evaluate(axe);
      const check = async (where: string) => {
        const found = (await page.page.evaluate(
          "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(' | ')))",
        )) as string[];
        expect(found, `${where}, ${JSON.stringify(setting)}`).toEqual([]);
      };
      for (const name of ['Tours', 'Knobs', 'Attacks', 'Links']) {
        await page.page.getByRole('tab', { name }).click();
        await check(name);
      }
      await page.page.locator('[data-anchor="context-1"]').click();
      await page.page.locator('.look table').first().waitFor();
      await check('Look');
      await page.page.getByRole('tab', { name: 'Tours' }).click();
      await page.page.locator('[data-tour=plain-dma]').click();
      await page.page.locator('[data-tour-next]').click();
      await page.page.locator('[data-tour-next]').click();
      await page.page.locator('[data-verdict]').waitFor();
      await check('a film in a tour');
      await page.close();
    }
  }, 240_000);

  it('shows the latency of each guest at the percentile that is chosen', async () => {
    const page = await opened(linkTo(defaultPlan, 300_000));
    await page.settle();
    const shown = async (name: string) => {
      await page.page.locator(`[data-percentile=${name}]`).click();
      await page.page.locator(`[data-plot=latency] [aria-label^="Latency, ${name}:"]`).waitFor();
      const texts = await page.page.locator('.domain.guest .figures span + span').allInnerTexts();
      return texts.map((text) => Number(new RegExp(`^${name} ([\\d.]+) `, 'u').exec(text)?.[1]));
    };
    const [low, middle, high] = [await shown('p50'), await shown('p90'), await shown('p99')];
    expect(low).toHaveLength(3);
    for (const [at, latency] of low.entries()) {
      expect(latency).toBeGreaterThan(0);
      expect(middle[at]).toBeGreaterThanOrEqual(latency);
      expect(high[at]).toBeGreaterThanOrEqual(middle[at] ?? Number.NaN);
    }
  });

  it('is run by keyboard alone: space, arrows, and tabs', async () => {
    const page = await opened(linkTo(planOf('one-guest', 'cdna')));
    await page.settle();
    await page.page.locator('body').press('Shift+ArrowRight');
    await page.page.waitForFunction("document.querySelector('.clock').dataset.events > 20");
    const framed = await page.settle();
    await page.page.locator('body').press('ArrowRight');
    await page.page.waitForFunction(
      `document.querySelector('.clock').dataset.events == ${framed.events + 1}`,
    );
    await page.page.locator('body').press('ArrowLeft');
    await page.page.waitForFunction(`document.querySelector('.clock').dataset.events == ${framed.events}`);
    await page.page.getByRole('tab', { name: 'Tours' }).focus();
    await page.page.keyboard.press('ArrowRight');
    expect(await page.page.getByRole('tab', { name: 'Knobs' }).getAttribute('aria-selected')).toBe('true');
  });

  it('does not grow in three minutes of running as fast as it can', async () => {
    // The first half minute fills what is kept of the last moments: plots, journal, percentiles.
    const [first, ...later] = await labMemory('', 180, 30);
    const last = later.at(-1);
    if (first === undefined || last === undefined) throw new Error('no samples');
    expect(last.virtualMs).toBeGreaterThan(2 * first.virtualMs);
    expect(last.pageMb - first.pageMb).toBeLessThan(10);
    expect(last.workerMb - first.workerMb).toBeLessThan(20);
  }, 300_000);

  it('draws many frames per second while it simulates as fast as it can', async () => {
    const page = await opened(linkTo(planOf('eight-guests', 'iommu:single-use')), { stillness: false });
    await page.turn('pace', 'null');
    await page.page.waitForFunction('document.querySelector(".clock").dataset.atNs > 2e6', undefined, {
      timeout: 60_000,
    });
    const frames = Number(
      await page.page.evaluate(
        'new Promise((done) => { let frames = 0; const start = performance.now(); const count = () => { frames += 1; if (performance.now() - start > 3000) done(frames / 3); else requestAnimationFrame(count); }; requestAnimationFrame(count); })',
      ),
    );
    console.log(`frames per second under load: ${frames.toFixed(0)}`);
    // How many there are is the machine's; that the page is not held up by the simulation is ours.
    expect(frames).toBeGreaterThan(5);
  });
});
