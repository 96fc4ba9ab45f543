import { describe, expect, it } from 'vitest';
import type { LabPlan } from '../../../src/lab/plan.js';
import { presetOf } from '../../../src/lab/presets.js';
import { PROTOCOL_VERSION, type Report, type Request } from '../../../src/lab/protocol.js';
import { LabSession } from '../../../src/lab/session.js';
import { LONGEST_REPLAY_MS, SessionPair } from '../../../src/lab/session-pair.js';
import { straight } from './straight.js';

const plan: LabPlan = {
  scenario: presetOf('three-guests')?.scenario ?? { guests: [{}] },
  approach: 'cdna',
  discipline: 'drr',
  seed: 1,
};

type StateReport = Extract<Report, { kind: 'state' }>;

/** A session in this thread whose reports are delivered turn by turn, as those of a worker are. */
interface Desk {
  readonly session: LabSession;
  readonly reports: Report[];
  readonly onReport: (report: Report) => void;
  readonly requests: Request['kind'][];
  /** Of its last state. */
  events: number;
}

/** Events per ms of the client's clock. */
const RATE = 100;

/** A front end on a pair. Its clock goes by the events that the busiest session has run. */
class PairedClient {
  readonly desks: Desk[] = [];
  readonly pair: SessionPair;
  readonly reports: Report[] = [];
  #nowMs = 0;

  constructor() {
    this.pair = new SessionPair(
      (onReport) => {
        const reports: Report[] = [];
        const session = new LabSession((report) => reports.push(report), '0.0.0');
        const requests: Request['kind'][] = [];
        this.desks.push({ session, reports, onReport, requests, events: 0 });
        return (request) => {
          if (request.kind !== 'shown') requests.push(request.kind);
          session.request(request);
        };
      },
      (report) => {
        this.reports.push(report);
        if (report.kind === 'state') this.pair.request({ kind: 'shown' });
      },
      () => this.#nowMs,
    );
  }

  /** One round: each session has a turn, then what they said arrives. */
  round(): void {
    for (const desk of this.desks) {
      let looks = 300;
      desk.session.turn(10, () => {
        looks -= 1;
        return looks < 0;
      });
      for (const report of desk.reports.splice(0)) {
        if (report.kind === 'state') {
          this.#nowMs += Math.max(0, report.position.events - desk.events) / RATE;
          desk.events = report.position.events;
        }
        desk.onReport(report);
      }
    }
  }

  settle(): StateReport {
    for (let rounds = 0; rounds < 20_000; rounds += 1) {
      this.round();
      if (this.desks.every(({ session, reports }) => !session.busy && reports.length === 0)) break;
    }
    return this.state;
  }

  get state(): StateReport {
    const state = this.reports.findLast((report): report is StateReport => report.kind === 'state');
    if (state === undefined) throw new Error('no state was reported');
    return state;
  }

  /** Plays as fast as it can until so many events have run, and pauses. */
  play(events: number): StateReport {
    const until = this.state.position.events + events;
    this.pair.request({ kind: 'play', paceNs: null });
    while (this.state.position.events < until) this.round();
    this.pair.request({ kind: 'pause' });
    return this.settle();
  }
}

const opened = () => {
  const client = new PairedClient();
  client.pair.request({ kind: 'open', version: PROTOCOL_VERSION, plans: [plan] });
  client.settle();
  return client;
};

/** Events after which a replay takes long. */
const LONG = 1.2 * LONGEST_REPLAY_MS * RATE;

describe('two sessions as one', () => {
  it('has one session until a replay would take long, then a second one some way behind', () => {
    const client = opened();
    client.play(LONG / 4);
    expect(client.desks).toHaveLength(1);
    const { position } = client.play(LONG);
    const [, behind] = client.desks;
    expect(behind?.requests[0]).toBe('open');
    const lagMs = (position.events - (behind?.events ?? 0)) / RATE;
    expect(lagMs).toBeGreaterThan(LONGEST_REPLAY_MS / 4);
    expect(lagMs).toBeLessThan(1.5 * LONGEST_REPLAY_MS);
  });

  it.each(['event', 'frame'] as const)(
    'steps back by %s through the second session, to the place and the fingerprint that one session finds',
    (unit) => {
      const client = opened();
      client.play(LONG);
      client.pair.request({ kind: 'step', unit });
      const before = client.settle();
      client.pair.request({ kind: 'step', unit });
      client.settle();
      client.pair.request({ kind: 'back', unit });
      const back = client.settle();
      expect(client.desks[1]?.requests).toContain('reach');
      expect(client.desks[0]?.requests).not.toContain('back');
      expect(back.position).toEqual(before.position);
      expect(back.counts).toEqual(before.counts);
      expect(back.machines[0]?.fingerprint).toBe(before.machines[0]?.fingerprint);
      expect(back.machines[0]?.snapshot).toEqual(before.machines[0]?.snapshot);
      // The session that was in front has been sent behind, and takes the next step back.
      client.pair.request({ kind: 'back', unit });
      const further = client.settle();
      expect(client.desks[0]?.requests).toContain('reach');
      expect(further.counts[unit]).toBe(before.counts[unit] - 1);
      const last = client.play(500);
      expect(last.machines[0]?.fingerprint).toBe(straight(plan, last.position.atNs));
    },
  );

  it('goes back to an earlier time through the second session where that stands before it', () => {
    const client = opened();
    const { position } = client.play(LONG);
    const to = { atNs: position.atNs - 1000, events: Number.MAX_SAFE_INTEGER };
    client.pair.request({ kind: 'go', to });
    const back = client.settle();
    expect(client.desks[1]?.requests.at(-1)).toBe('go');
    expect(back.position.atNs).toBe(to.atNs);
    expect(back.machines[0]?.fingerprint).toBe(straight(plan, to.atNs));
  });

  it('has the second session follow a frame, and look at what is looked at, once it has come to the place', () => {
    const client = opened();
    client.pair.request({ kind: 'inspect', machine: 0, subject: { kind: 'context', id: 0 } });
    client.pair.request({ kind: 'follow', machine: 0, column: 1 });
    client.play(LONG);
    client.pair.request({ kind: 'back', unit: 'event' });
    expect(client.settle().details?.title).toBe('Context 0');
    expect(client.desks[1]?.requests.slice(-2)).toEqual(['follow', 'inspect']);
  });

  it('forgets the second session when a knob makes another run of it', () => {
    const client = opened();
    client.play(LONG);
    client.pair.request({ kind: 'change', change: { guest: 'web', weight: 3 } });
    const changed = client.settle();
    client.pair.request({ kind: 'back', unit: 'frame' });
    const back = client.settle();
    expect(back.counts.frame).toBe(changed.counts.frame - 1);
    const plans = client.reports.findLast((report) => report.kind === 'changed');
    const other = plans?.kind === 'changed' ? plans.plans[0] : undefined;
    const last = client.play(500);
    expect(last.machines[0]?.fingerprint).toBe(straight(other ?? plan, last.position.atNs));
  });
});
