import { describe, expect, it } from 'vitest';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { RecentLatencies } from '../../src/lab/recent-latencies.js';
import { LiveView } from '../../src/live/lab/live-view.js';
import type { ServedSession } from '../../src/live/lab/served-session.js';
import { CardDriver, RESULT, RINGS_AT } from './support/card-driver.js';
import { GuestIommuLab, labScenario } from './support/guest-iommu-lab.js';
import { GUEST_BYTES } from './support/lab.js';

const CARDS = {
  guests: ['a', 'b'].map((name) => ({
    name,
    attached: true,
    card: 'cdna' as const,
    memoryMegabytes: GUEST_BYTES / 2 ** 20,
    transmitSlots: 16,
    receiveSlots: 16,
  })),
};

/** A driver of the card whose own IOMMU has given its rings an address, and what a page is shown of it. */
function opened(iova: number, changes: Partial<ServedSession> = {}): { lab: GuestIommuLab; view: LiveView } {
  const lab = new GuestIommuLab({ scenario: CARDS });
  const { client } = lab.driver(0);
  const driver = new CardDriver(client, lab.ram(0), (ns) => lab.run(ns));
  client.connect();
  client.version();
  expect(client.map(iova, 0x3000, RINGS_AT)?.error).toBe(0);
  expect(driver.open(iova)).toBe(RESULT.done);
  lab.run();
  const discipline = makeDiscipline('drr', { linkBps: 1e9 });
  const none = () => {};
  const served: ServedSession = {
    machine: lab.live,
    subject: {
      scenario: labScenario(GUEST_BYTES, CARDS),
      directory: '.',
      captures: new Map(),
      protection: 'iommu:guest',
      discipline: 'drr',
      seed: 1,
    },
    transmitDiscipline: discipline,
    receiveDiscipline: discipline,
    latencies: new RecentLatencies<number>(),
    capturing: undefined,
    advance: none,
    look: (act) => act(),
    setWeight: none,
    setLimit: none,
    setPriority: none,
    setPolicy: none,
    toggleCapture: () => undefined,
    ...changes,
  };
  return { lab, view: new LiveView(served) };
}

describe('what a page is shown of a driver behind an IOMMU of its own (iommu:guest)', () => {
  it.each([
    ['beyond all memory', 0x70000000],
    ['that as a machine address is memory of another', 0x3000],
  ])('has no ring to show at an address %s, and the rest of the context and the domain', (_where, iova) => {
    const { lab, view } = opened(iova);
    const { context } = lab.live.guests[0]?.device.port ?? {};
    const details = view.details({ kind: 'context', id: Number(context) });
    expect(details.title).toBe(`Context ${context}`);
    const rings = details.sections.filter(({ title }) => title.startsWith('Ring, '));
    expect(rings.map(({ rows }) => rows)).toEqual([[['ring', 'not readable']], [['ring', 'not readable']]]);
    const domain = view.details({ kind: 'domain', id: Number(lab.live.guests[0]?.domain.id) });
    const queues = domain.sections.find(({ title }) => title === 'Queues');
    expect(queues?.rows.map(([, , , consumer]) => consumer)).toEqual(['not readable', 'not readable']);
    expect(domain.sections.some(({ title }) => title === 'Virtual machine')).toBe(true);
  });

  it.each([0x70000000, 0x3000])('has no page drawn as a ring of the guest, with rings at %i', (iova) => {
    const { lab, view } = opened(iova);
    const column = lab.live.guests[0]?.domain.id;
    expect(view.layout.blocks.filter((block) => block.column === column && block.title === 'rings')).toEqual(
      [],
    );
    expect(view.state().owners.length).toBeGreaterThan(0);
  });

  it('says in the place of details that a look has failed, and goes on', () => {
    const { view } = opened(0x70000000, {
      look: () => {
        throw new RangeError('physical access at 0x70000000');
      },
    });
    expect(view.details({ kind: 'context', id: 0 })).toEqual({
      title: 'Not readable',
      about: 'context: physical access at 0x70000000',
      sections: [],
    });
    expect(view.state().owners.length).toBeGreaterThan(0);
  });
});
