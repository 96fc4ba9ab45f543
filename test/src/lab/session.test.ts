import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeLink, encodeLink } from '../../../src/lab/link.js';
import type { LabPlan } from '../../../src/lab/plan.js';
import { PRESETS, presetOf } from '../../../src/lab/presets.js';
import { PROTOCOL_VERSION } from '../../../src/lab/protocol.js';
import { terminalCommand } from '../../../src/lab/terminal-command.js';
import { turnOf } from '../../support/whole.js';
import { LabClient } from './lab-client.js';
import { straight } from './straight.js';

const scenario = presetOf('one-guest')?.scenario ?? { guests: [{}] };
const plan: LabPlan = { scenario, approach: 'cdna', discipline: 'drr', seed: 1 };

describe('a session of the lab', () => {
  it('computes what a run of the same length computes, at whatever pace it is played', () => {
    for (const approach of ['cdna', 'iommu:single-use', 'driver-domain']) {
      const client = new LabClient();
      client.open({ ...plan, approach });
      client.ask({ kind: 'play', paceNs: 3_000_000 });
      for (let turn = 0; turn < 30; turn += 1) client.turn(7);
      client.ask({ kind: 'pause' });
      const { position, machines } = client.state();
      expect(position.atNs).toBeGreaterThan(100_000);
      expect(machines[0]?.fingerprint).toBe(straight({ ...plan, approach }, position.atNs));
    }
  });

  it('plays the capture that a scenario names, whatever folder it names, and looks at no other file', () => {
    const capture = 'captures/web.pcapng';
    const replay = {
      ...scenario,
      guests: [{ traffic: { kind: 'replay' as const, capture, unfit: 'drop' as const } }],
    };
    const web = { name: 'web.pcapng', bytes: new Uint8Array(readFileSync(capture)) };
    const none = { name: 'no-capture.bin', bytes: new Uint8Array(100) };
    const client = new LabClient();
    const open = (scenarioOf: LabPlan['scenario'], captures: readonly (typeof web)[]) => {
      const plans = [{ ...plan, scenario: scenarioOf }];
      client.ask({ kind: 'open', version: PROTOCOL_VERSION, plans, captures });
      return client.reports.splice(0).findLast(({ kind }) => kind === 'opened' || kind === 'refused');
    };
    expect(open(replay, [none, web])?.kind).toBe('opened');
    expect(open(scenario, [none])?.kind).toBe('opened');
    expect(open(replay, [none])).toMatchObject({
      kind: 'refused',
      message:
        'scenario: traffic.capture is "captures/web.pcapng", which is not here; drop that file on the page too',
    });
    // One that is named and is none is refused, and nothing after it.
    expect(open(replay, [{ ...none, name: 'web.pcapng' }])).toMatchObject({ kind: 'refused' });
    expect(open(scenario, [{ ...none, name: 'web.pcapng' }])?.kind).toBe('opened');
  });

  it('opens at an event of the first instant too, as a link names it', () => {
    const client = new LabClient();
    const state = { plans: [plan], position: { atNs: 0, events: 2 }, paceNs: null };
    const { plans, position: to } = decodeLink(encodeLink(state));
    client.ask({ kind: 'open', version: PROTOCOL_VERSION, plans, to });
    expect(client.settle().position).toEqual({ atNs: 0, events: 2 });
  });

  it('steps to the next event, the next frame and the next fault, or to the end of the run', () => {
    const client = new LabClient();
    client.open({ ...plan, scenario: { ...scenario, durationNs: 300_000 } });
    client.ask({ kind: 'step', unit: 'event' });
    expect(client.settle().position.events).toBe(1);
    client.ask({ kind: 'step', unit: 'frame' });
    const framed = client.settle();
    expect(framed.machines[0]?.snapshot.guests[0]?.framesTransmitted).toBe(1);
    expect(framed.activity).toBe('paused');
    client.ask({ kind: 'step', unit: 'fault' });
    const ended = client.settle();
    expect(ended.position.atNs).toBe(300_000);
    expect(ended.activity).toBe('ended');
  });

  it('is after a step and the same step back where it was, to the event and the fingerprint', () => {
    const client = new LabClient();
    client.open(plan);
    for (const unit of ['event', 'frame'] as const) {
      client.ask({ kind: 'step', unit: 'frame' });
      client.settle();
      client.ask({ kind: 'step', unit });
      const before = client.settle();
      client.ask({ kind: 'step', unit });
      const after = client.settle();
      expect(after.position.events).toBeGreaterThan(before.position.events);
      client.ask({ kind: 'back', unit });
      const back = client.settle();
      expect(back.position).toEqual(before.position);
      expect(back.machines[0]?.fingerprint).toBe(before.machines[0]?.fingerprint);
      expect(back.machines[0]?.snapshot).toEqual(before.machines[0]?.snapshot);
    }
  });

  it('goes to a position from either side of it, and a run from there ends as a straight one', () => {
    const client = new LabClient();
    client.open(plan);
    client.ask({ kind: 'go', to: { atNs: 400_000, events: 0 } });
    client.settle();
    client.ask({ kind: 'step', unit: 'event' });
    const there = client.settle();
    client.ask({ kind: 'go', to: { atNs: 900_000, events: 0 } });
    client.settle();
    client.ask({ kind: 'go', to: there.position });
    expect(client.settle().position).toEqual(there.position);
    client.ask({ kind: 'go', to: { atNs: 1_200_000, events: 0 } });
    expect(client.settle().machines[0]?.fingerprint).toBe(straight(plan, 1_200_000));
  });

  it('runs two approaches side by side to the same instant, each as if it were alone', () => {
    const client = new LabClient();
    const other = { ...plan, approach: 'iommu:deferred' };
    client.open(plan, other);
    client.ask({ kind: 'play', paceNs: null });
    for (let turn = 0; turn < 5; turn += 1) client.turn();
    client.ask({ kind: 'pause' });
    const { position, machines } = client.state();
    expect(machines.map(({ snapshot }) => snapshot.atNs)).toEqual([position.atNs, position.atNs]);
    expect(machines.map(({ fingerprint }) => fingerprint)).toEqual([
      straight(plan, position.atNs),
      straight(other, position.atNs),
    ]);
  });

  it('computes the same with everything observed: a frame followed, a page looked at, a journal kept', () => {
    const client = new LabClient();
    client.open({ ...plan, approach: 'iommu:single-use' });
    client.ask({ kind: 'follow', machine: 0, column: 1 });
    client.ask({ kind: 'inspect', machine: 0, subject: { kind: 'context', id: 0 } });
    client.ask({ kind: 'play', paceNs: 1_000_000 });
    for (let turn = 0; turn < 40; turn += 1) {
      client.turn(10);
      client.ask({ kind: 'shown' });
    }
    client.ask({ kind: 'pause' });
    const { position, machines, story, details } = client.state();
    expect(machines[0]?.fingerprint).toBe(straight({ ...plan, approach: 'iommu:single-use' }, position.atNs));
    expect(story?.finished).toBe(true);
    expect(details?.title).toBe('Context 0');
  });

  it('refuses a plan that names a module, an approach that does not exist, and more guests than fit', () => {
    const client = new LabClient();
    client.open({ ...plan, scenario: { ...scenario, protection: './mine.ts' } });
    expect(client.refusal()).toMatch(/^scenario: protection is "\.\/mine\.ts", a module; expected a name/u);
    client.open({ ...plan, approach: 'magic' });
    expect(client.refusal()).toMatch(/^approach is "magic", expected one of: none, /u);
    client.open({ ...plan, discipline: '/tmp/x.js' });
    expect(client.refusal()).toMatch(/^discipline is "\/tmp\/x\.js", a module/u);
    client.open({ ...plan, scenario: { guests: [{ count: 13 }] } });
    expect(client.refusal()).toBe(
      'scenario: guests are 13 in all, expected at most 12 in the lab; the command line takes more',
    );
    expect(client.reports.some(({ kind }) => kind === 'opened')).toBe(false);
  });

  it('opens every preset under every kind of approach', () => {
    const kinds = ['none', 'dev', 'nodma', 'driver-domain', 'cdna', 'iommu:shared', 'cdna+iommu'];
    for (const [turn, { scenario: preset }] of PRESETS.entries()) {
      for (const approach of turnOf(kinds, turn)) {
        const client = new LabClient();
        client.open({ ...plan, scenario: preset, approach });
        expect(client.refusal()).toBeUndefined();
        expect(client.state().machines[0]?.owners.length).toBeGreaterThan(0);
      }
    }
  });
});

describe('a frame that is followed', () => {
  function storyOf(approach: string) {
    const client = new LabClient();
    client.open({ ...plan, approach });
    client.ask({ kind: 'follow', machine: 0, column: 1 });
    client.ask({ kind: 'go', to: { atNs: 300_000, events: 0 } });
    const { story } = client.settle();
    if (story === undefined) throw new Error('no story');
    return story;
  }

  it('passes every station in order, from its buffer to the interrupt', () => {
    const { steps, finished, bytes } = storyOf('cdna');
    expect(finished).toBe(true);
    expect(bytes).toBe(1514);
    const stations = steps.map(({ station }) => station);
    expect([...new Set(stations)]).toEqual([
      'guest',
      'set-up-gate',
      'memory',
      'context',
      'access-gate',
      'scheduler',
      'wire',
      'hypervisor',
    ]);
    const times = steps.map(({ atNs }) => atNs);
    expect(times).toEqual([...times].sort((left, right) => left - right));
    const setUp = steps.find(({ station }) => station === 'set-up-gate');
    expect(setUp?.facts.join(' ')).toMatch(/writes the descriptor itself page \d+ is pinned 1 time/u);
  });

  it('shows the walk through VT-d tables with the bits of each entry: root, context, then levels to 1', () => {
    const { steps } = storyOf('iommu:single-use');
    const payload = steps.find(({ title }) => title.includes('bytes of the frame'));
    expect(payload?.walk?.allowed).toBe(true);
    const what = payload?.walk?.steps.map((step) => step.what.replace(/\d+$/u, 'N')) ?? [];
    expect(what.slice(0, 2)).toEqual(['root entry of bus N', expect.stringMatching(/^context entry of/u)]);
    expect(what.at(-1)).toBe('level 1, entry N');
    const leaf = payload?.walk?.steps.at(-1);
    // A transmit buffer is mapped for reads alone (VT-d 9.8: bit 0 read, bit 1 write).
    expect(leaf?.bits).toEqual([
      { name: 'R', set: true },
      { name: 'W', set: false },
    ]);
    expect(payload?.facts.join(' ')).toMatch(/translated to 0x/u);
  });
});

describe('a knob that is turned while the machine runs', () => {
  const two = presetOf('three-guests')?.scenario ?? { guests: [{}] };

  it('joins the scenario as a change, and the run is that of the scenario with it', () => {
    const client = new LabClient();
    client.open({ ...plan, scenario: two });
    client.ask({ kind: 'play', paceNs: 10_000_000 });
    for (let turn = 0; turn < 20; turn += 1) client.turn(10);
    client.ask({ kind: 'pause' });
    const { atNs } = client.state().position;
    client.ask({ kind: 'change', change: { guest: 'web', weight: 5 } });
    client.settle();
    client.ask({ kind: 'go', to: { atNs: atNs + 1_500_000, events: 0 } });
    const there = client.settle();
    const changed = client.reports.findLast((report) => report.kind === 'changed');
    const changes = [{ atNs: atNs + 1, guest: 'web', weight: 5 }];
    expect(changed?.kind === 'changed' ? changed.plans[0]?.scenario.changes : undefined).toEqual(changes);
    const scenario = { ...two, changes };
    expect(there.machines[0]?.fingerprint).toBe(straight({ ...plan, scenario }, there.position.atNs));
    expect(there.machines[0]?.fingerprint).not.toBe(
      straight({ ...plan, scenario: two }, there.position.atNs),
    );
    expect(there.machines[0]?.snapshot.guests[0]?.weight).toBe(5);
  });

  it('is played again on the way back and forth, and a change before it takes its place', () => {
    const client = new LabClient();
    client.open({ ...plan, scenario: two });
    const goTo = (atNs: number) => {
      client.ask({ kind: 'go', to: { atNs, events: 0 } });
      return client.settle();
    };
    goTo(500_000);
    client.ask({ kind: 'change', change: { guest: 'web', weight: 9 } });
    client.settle();
    const first = goTo(1_000_000);
    goTo(200_000);
    expect(goTo(1_000_000).machines[0]?.fingerprint).toBe(first.machines[0]?.fingerprint);
    goTo(200_000);
    // Turned twice at one instant, a knob has its last setting; another knob has its own.
    for (const change of [
      { guest: 'web', weight: 2 },
      { guest: 'web', weight: 3 },
      { guest: 'db', balloon: 4 },
    ]) {
      client.ask({ kind: 'change', change });
      client.settle();
    }
    goTo(1_000_000);
    const changed = client.reports.findLast((report) => report.kind === 'changed');
    expect(changed?.kind === 'changed' ? changed.plans[0]?.scenario.changes : undefined).toEqual([
      { atNs: 200_001, guest: 'web', weight: 3 },
      { atNs: 200_001, guest: 'db', balloon: 4 },
    ]);
  });

  const changesOf = (client: LabClient) => {
    const changed = client.reports.findLast((report) => report.kind === 'changed');
    return changed?.kind === 'changed' ? changed.plans[0]?.scenario.changes : undefined;
  };

  it('is turned during a replay where the replay goes to, and the replay still goes there', () => {
    const client = new LabClient();
    client.open({ ...plan, scenario: two });
    client.ask({ kind: 'go', to: { atNs: 1_000_000, events: 0 } });
    client.settle();
    client.ask({ kind: 'go', to: { atNs: 300_000, events: 0 } });
    client.session.turn(16, () => true);
    expect(client.session.activity).toBe('replaying');
    client.ask({ kind: 'change', change: { guest: 'web', weight: 7 } });
    expect(client.settle().position.atNs).toBe(300_000);
    const changes = [{ atNs: 300_001, guest: 'web', weight: 7 }];
    expect(changesOf(client)).toEqual(changes);
    client.ask({ kind: 'go', to: { atNs: 2_000_000, events: 0 } });
    expect(client.settle().machines[0]?.fingerprint).toBe(
      straight({ ...plan, scenario: { ...two, changes } }, 2_000_000),
    );
  });

  it('is turned on the way back to a frame where that frame is', () => {
    const client = new LabClient();
    client.open({ ...plan, scenario: two });
    client.ask({ kind: 'go', to: { atNs: 600_000, events: 0 } });
    client.settle();
    client.ask({ kind: 'back', unit: 'frame' });
    const back = client.settle();
    client.ask({ kind: 'go', to: { atNs: 600_000, events: 0 } });
    client.settle();
    client.ask({ kind: 'back', unit: 'frame' });
    client.turn();
    expect(client.session.activity).toBe('replaying');
    client.ask({ kind: 'change', change: { guest: 'web', weight: 7 } });
    expect(client.settle().position.atNs).toBe(back.position.atNs);
    expect(changesOf(client)).toEqual([{ atNs: back.position.atNs + 1, guest: 'web', weight: 7 }]);
  });

  it('is not lost when the reader continues before the machine exists again', () => {
    const client = new LabClient();
    client.open({ ...plan, scenario: two });
    client.ask({ kind: 'go', to: { atNs: 500_000, events: 0 } });
    client.settle();
    client.ask({ kind: 'change', change: { guest: 'web', weight: 7 } });
    client.ask({ kind: 'go', to: { atNs: 2_000_000, events: 0 } });
    const changes = [{ atNs: 500_001, guest: 'web', weight: 7 }];
    expect(client.settle().machines[0]?.fingerprint).toBe(
      straight({ ...plan, scenario: { ...two, changes } }, 2_000_000),
    );
  });

  it('is the rate of the wire too: no machine starts anew, the picture has it, and the way back plays it again', () => {
    const client = new LabClient();
    client.open({ ...plan, scenario: two });
    const goTo = (atNs: number) => {
      client.ask({ kind: 'go', to: { atNs, events: 0 } });
      return client.settle();
    };
    const rateOf = (state: ReturnType<typeof goTo>) => state.machines[0]?.snapshot.wireRateBps;
    const before = goTo(300_000);
    expect(rateOf(before)).toBe(1e9);
    const opened = client.reports.filter(({ kind }) => kind === 'opened').length;
    client.ask({ kind: 'change', change: { rateBps: 100_000_000 } });
    const here = client.settle();
    expect(here.position).toEqual(before.position);
    expect(client.reports.filter(({ kind }) => kind === 'opened')).toHaveLength(opened);
    const changes = [{ atNs: 300_001, rateBps: 100_000_000 }];
    expect(changesOf(client)).toEqual(changes);
    const later = goTo(1_000_000);
    expect(rateOf(later)).toBe(1e8);
    const scenario = { ...two, changes };
    expect(later.machines[0]?.fingerprint).toBe(straight({ ...plan, scenario }, 1_000_000));
    expect(later.machines[0]?.fingerprint).not.toBe(straight({ ...plan, scenario: two }, 1_000_000));
    expect(rateOf(goTo(200_000))).toBe(1e9);
    expect(goTo(1_000_000).machines[0]?.fingerprint).toBe(later.machines[0]?.fingerprint);
    // A link carries it, and so does the command.
    expect(
      decodeLink(encodeLink({ plans: [{ ...plan, scenario }], position: later.position, paceNs: 1 })).plans,
    ).toEqual([{ ...plan, scenario }]);
    expect(JSON.parse(terminalCommand({ ...plan, scenario }, 1_000_000).json)).toEqual(scenario);
    // Turned twice at one instant it has its last setting; a weight is another knob.
    for (const change of [
      { rateBps: 2_000_000_000 },
      { guest: 'web', weight: 2 },
      { rateBps: 10_000_000_000 },
    ]) {
      client.ask({ kind: 'change', change });
      client.settle();
    }
    expect(changesOf(client)).toEqual([
      ...changes,
      { atNs: 1_000_001, guest: 'web', weight: 2 },
      { atNs: 1_000_001, rateBps: 10_000_000_000 },
    ]);
  });

  it('shows the tags and deficits of the discipline that decides, whatever was tried before the run', () => {
    const client = new LabClient();
    client.open({
      ...plan,
      discipline: 'sfq',
      scenario: { ...two, changes: [{ atNs: 1_000, guest: 'web', weight: 2 }] },
    });
    client.ask({ kind: 'go', to: { atNs: 400_000, events: 0 } });
    client.settle();
    client.ask({ kind: 'inspect', machine: 0, subject: { kind: 'scheduler' } });
    const contexts = client.settle().details?.sections.find(({ title }) => title === 'Contexts');
    // The column of transmit. Virtual time goes on with each frame; where nothing was sent V is 0.
    expect(contexts?.rows.map(([, , transmit]) => transmit)).toHaveLength(3);
    for (const [, , transmit] of contexts?.rows ?? []) expect(transmit).toMatch(/V = [1-9]/u);
  });

  it('is refused in one line when the discipline does not read it, and nothing changes', () => {
    const client = new LabClient();
    client.open({ ...plan, scenario: two });
    client.ask({ kind: 'change', change: { guest: 'web', limitBps: 1_000_000 } });
    expect(client.refusal()).toMatch(/changes\[0\]\.limitBps/u);
    client.ask({ kind: 'change', change: { guest: 'stranger', weight: 2 } });
    expect(client.refusal()).toMatch(
      /changes\[0\]\.guest is "stranger", expected the name of a guest: web, db, batch/u,
    );
    expect(client.reports.some(({ kind }) => kind === 'changed')).toBe(false);
  });
});

describe('what is known of a context', () => {
  it.each([
    ['drr', /^deficit \d+ bytes$/u],
    ['srr', /^credit -?\d+ bytes$/u],
    ['sfq', /^starts at \d+, finishes at \d+, V = \d+$/u],
    ['wf2q+', /^starts at \d+, finishes at \d+, V = \d+$/u],
    ['qfq', /^starts at \d+, finishes at \d+, V = \d+$/u],
    ['scfq', /^starts at \d+, finishes at \d+, V = \d+$/u],
  ])(
    'has under %s what the discipline has saved for it, its registers, and its rings as they are in memory',
    (discipline, saved) => {
      const client = new LabClient();
      client.open({ ...plan, discipline });
      client.ask({ kind: 'inspect', machine: 0, subject: { kind: 'context', id: 0 } });
      client.ask({ kind: 'go', to: { atNs: 300_000, events: 0 } });
      const { details, machines } = client.settle();
      const section = (title: string) => details?.sections.find((each) => each.title.startsWith(title));
      expect(section('Share')?.rows[0]?.[1]).toMatch(saved);
      const producer = section('Registers')?.rows.find(([name]) => name === 'TX_PRODUCER');
      expect(Number(producer?.[1])).toBe(machines[0]?.snapshot.contexts[0]?.transmit.producer);
      expect(section('Ring, transmit')?.rows).toHaveLength(16);
    },
  );
});
