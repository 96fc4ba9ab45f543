import { afterEach, describe, expect, it } from 'vitest';
import { ServedLab } from '../../src/cli/served-lab.js';
import { findChromium } from '../support/chromium.js';
import { builtLab, LabPage } from '../support/lab-page.js';
import { ethernet, TRANSMIT } from './support/driver.js';
import { GUEST_BYTES, MAC } from './support/lab.js';
import { Served, until } from './support/served.js';

const hasChromium = findChromium() !== undefined;
if (!hasChromium)
  console.warn('no Chromium here: the page of serve --lab is NOT tested (apt-get install chromium)');

describe.skipIf(!hasChromium)('the page of serve --lab', () => {
  let served: Served | undefined;
  let lab: ServedLab | undefined;
  let shown: LabPage | undefined;
  afterEach(async () => {
    const problems = shown?.problems ?? [];
    await shown?.close();
    await lab?.close();
    served?.stop();
    expect(problems).toEqual([]);
    expect(served?.failures ?? []).toEqual([]);
  });

  it('connects by itself, shows real guests, and turns their knobs', async () => {
    served = await Served.start({ discipline: 'limited:drr' });
    const { server } = served;
    lab = new ServedLab(server, {
      port: 0,
      folder: builtLab(),
      failed: (error) => served?.failures.push(error),
    });
    shown = await LabPage.at(await lab.listen());
    const { page } = shown;
    await page.locator('[data-state=waiting]').nth(1).waitFor();
    const red = await served.boot(0);
    await page.locator('.domain').nth(1).locator('[data-state=running]').waitFor();
    for (let slot = 0; slot < 100; slot += 1)
      red.send(slot, 0x200000 + slot * 2048, ethernet(0x0200000000ff, MAC, `frame ${slot}`, 1514));

    // What moves or replaces a machine is not there.
    for (const absent of ['[data-step]', '.play', '[data-knob=pace]', '.follow', '[data-knob=approach-0]'])
      expect(await page.locator(absent).count(), absent).toBe(0);
    expect(await page.getByRole('tab').allInnerTexts()).toEqual(['Knobs', 'Look']);
    const at = Number(await page.locator('.clock').getAttribute('data-at-ns'));
    await expect
      .poll(async () => Number(await page.locator('.clock').getAttribute('data-at-ns')))
      .toBeGreaterThan(at);

    await shown.turn('weight-red', '5');
    await until(() => server.machine.guests[0]?.device.share.now.weight === 5);
    await shown.turn('limit-blue', '2');
    await until(() => server.machine.guests[1]?.device.share.now.limitBps === 2_000_000);
    // Another hand turns it: the page follows.
    server.setWeight(0, 7);
    await expect.poll(() => page.locator('[data-knob="weight-red"]').inputValue()).toBe('7');

    await page.locator('[data-anchor="context-1"]').click();
    await page.locator('.look').getByText('TX_PRODUCER', { exact: true }).waitFor();
    await page.locator('.domain-main').nth(1).click();
    await page.locator('.look').getByText('Virtual machine', { exact: true }).waitFor();
    await page.locator('[data-plot=share] canvas').waitFor();

    await page.getByRole('tab', { name: 'Knobs' }).click();
    await shown.turn('policy', 'kill');
    await until(() => server.machine.host.hypervisor.faultPolicy === 'kill');
    // A buffer of the neighbour's.
    red.post(TRANSMIT, 200, [{ at: GUEST_BYTES + 0x10000, bytes: 112 }]);
    await page.locator('.domain').nth(1).locator('[data-state=killed]').waitFor();
    await page.locator('.gate[data-anchor=set-up] .refusals').waitFor();
    await page
      .getByText(/set-up gate: not-owner/u)
      .first()
      .waitFor();

    await shown.turn('weight-blue', '0');
    await page.getByRole('alert').getByText('weight').waitFor();
    await lab.close();
    await page.getByRole('alert').getByText('Nothing comes any more').waitFor();
  });

  it('says so where the token is not that of the session', async () => {
    served = await Served.start();
    lab = new ServedLab(served.server, { port: 0, folder: builtLab(), failed: () => {} });
    const address = (await lab.listen()).replace(/#serve=.*$/u, `#serve=${'x'.repeat(32)}`);
    shown = await LabPage.at(address, { waitsFor: '[role=alert]' });
    await shown.page.getByRole('alert').getByText('the session does not take this page').waitFor();
    expect(lab.pages).toBe(0);
    // The browser writes down that the connection was refused.
    expect(shown.problems.splice(0).join()).toMatch(/403/u);
  });
});
