import { beforeEach, describe, expect, it, vi } from 'vitest';
import { filmAttack } from '../../../src/lab/attack-film.js';
import type { LabPlan } from '../../../src/lab/plan.js';
import type { Report, Request } from '../../../src/lab/protocol.js';
import { LabSession } from '../../../src/lab/session.js';
import type { FrameStory } from '../../../src/lab/story/frame-story.js';
import { defaultPlan } from './straight.js';

/** What is used here of the page's store, which is type checked with the page: it knows the types of a browser. */
interface Store {
  connect(to: (request: Request) => void): void;
  take(report: Report): void;
  open(plans: readonly LabPlan[]): void;
  openThen(plans: readonly LabPlan[], then: () => void): void;
  follow(machine: number, column: number | undefined): void;
  leaveFilm(): void;
  readonly plans: { readonly value: readonly LabPlan[] };
  readonly layouts: { readonly value: readonly unknown[] };
  readonly activity: { readonly value: string };
  readonly message: { readonly value: string | undefined };
  readonly story: { readonly value: FrameStory | undefined };
  readonly followed: { readonly value: { readonly column: number } | undefined };
}

/** The store of a page, and the session behind it, whose reports come when they are let through. */
async function page() {
  vi.resetModules();
  vi.stubGlobal('matchMedia', () => ({ matches: true }));
  const path = '../../../src/lab/page/store.js';
  const store = (await import(path)) as Store;
  const reports: Report[] = [];
  const session = new LabSession((report) => reports.push(report), '0.0.0');
  store.connect((request) => session.request(request));
  return {
    store,
    session,
    /** Lets every report through, turns until nothing moves or as often as is said, and shows each state. */
    async settle(turns = 10_000) {
      for (let turn = 0; turn < turns; turn += 1) {
        session.turn(1, () => true);
        if (reports.length === 0 && !session.busy) break;
        for (const report of reports.splice(0)) {
          store.take(report);
          if (report.kind === 'state') session.request({ kind: 'shown' });
          // Each report is a task of its own in a browser.
          await Promise.resolve();
        }
      }
    },
  };
}

describe('what the page keeps of its machine', () => {
  beforeEach(() => vi.unstubAllGlobals());

  it('begins with a machine where the first one is refused, and says why until another is asked for', async () => {
    const { store, settle } = await page();
    store.open([{ ...defaultPlan, seed: 2 ** 32 }]);
    await settle();
    expect(store.message.value).toMatch(/^seed is 4294967296, expected/u);
    expect(store.plans.value[0]?.seed).toBe(1);
    expect(store.layouts.value).toHaveLength(1);
    store.open([defaultPlan]);
    await settle();
    expect(store.message.value).toBeUndefined();
  });

  it('keeps its machine where another one is refused', async () => {
    const { store, settle } = await page();
    store.open([{ ...defaultPlan, seed: 7 }]);
    await settle();
    store.open([{ ...defaultPlan, approach: 'no-such' }]);
    await settle();
    expect(store.message.value).toMatch(/^approach is "no-such"/u);
    expect(store.plans.value[0]?.seed).toBe(7);
  });

  it('lets go of a followed frame when a film begins, on the machine as well', async () => {
    const { store, session, settle } = await page();
    store.open([defaultPlan]);
    store.follow(0, 1);
    session.request({ kind: 'go', to: { atNs: 300_000, events: 0 } });
    await settle();
    expect(store.story.value?.column).toBe(1);
    store.take({ kind: 'film', films: [filmAttack('foreign-page-read', 'cdna', 1)] });
    await settle();
    store.leaveFilm();
    session.request({ kind: 'step', unit: 'event' });
    await settle();
    expect(store.followed.value).toBeUndefined();
    expect(store.story.value).toBeUndefined();
  });

  it('shows a machine that has failed as one that stands', async () => {
    const { store, session, settle } = await page();
    store.open([defaultPlan]);
    await settle();
    session.request({ kind: 'play', paceNs: 1000 });
    await settle(3);
    expect(store.activity.value).toBe('playing');
    store.take({ kind: 'failed', message: 'Error: no memory' });
    expect(store.activity.value).toBe('paused');
    expect(store.message.value).toBe('The machine stopped: Error: no memory');
  });

  it('carries out what waited for machines once they exist, whatever else is refused meanwhile', async () => {
    const { store, settle } = await page();
    const then = vi.fn();
    store.openThen([defaultPlan], then);
    store.take({ kind: 'refused', request: 'change', message: 'changes[0] is wrong' });
    expect(then).not.toHaveBeenCalled();
    await settle();
    expect(then).toHaveBeenCalledTimes(1);
  });

  it('does nothing with machines that were refused, nor with those that others were asked for after', async () => {
    const { store, session, settle } = await page();
    const [first, refused] = [vi.fn(), vi.fn()];
    const last = vi.fn(() => store.plans.value[0]?.approach);
    store.openThen([defaultPlan], first);
    // The first machines say what they look like before the page hears of them.
    session.turn(1, () => true);
    store.openThen([{ ...defaultPlan, approach: 'iommu:single-use' }], last);
    await settle();
    expect(first).not.toHaveBeenCalled();
    expect(last.mock.results.map(({ value }) => value)).toEqual(['iommu:single-use']);
    store.openThen([{ ...defaultPlan, approach: 'magic' }], refused);
    await settle();
    store.open([defaultPlan]);
    await settle();
    expect(refused).not.toHaveBeenCalled();
    expect(last).toHaveBeenCalledTimes(1);
  });
});
