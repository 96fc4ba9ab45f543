import type { AttackFilm } from '../../../src/lab/attack-film.js';
import type { LabPlan } from '../../../src/lab/plan.js';
import { PROTOCOL_VERSION, type Report, type Request } from '../../../src/lab/protocol.js';
import { LabSession } from '../../../src/lab/session.js';

type StateReport = Extract<Report, { kind: 'state' }>;

/** A front end without a picture: it speaks the protocol to a session in the same thread, and has a clock of its own. */
export class LabClient {
  readonly reports: Report[] = [];
  readonly session: LabSession;

  constructor() {
    this.session = new LabSession((report) => this.reports.push(report), '0.0.0');
  }

  ask(request: Request): void {
    this.session.request(request);
  }

  open(...plans: LabPlan[]): void {
    this.ask({ kind: 'open', version: PROTOCOL_VERSION, plans });
  }

  /** Turns until nothing is left to do, at most `turns` of them. */
  settle(turns = 100_000): StateReport {
    for (let turn = 0; turn < turns && this.session.busy; turn += 1) this.turn();
    return this.state();
  }

  turn(elapsedMs = 16): void {
    let looks = 0;
    this.session.turn(elapsedMs, () => {
      looks += 1;
      return looks > 50;
    });
  }

  /** The state as it is now. */
  state(): StateReport {
    this.ask({ kind: 'shown' });
    this.session.turn(0, () => true);
    const found = this.reports.findLast((report) => report.kind === 'state');
    if (found?.kind !== 'state') throw new Error('no state was reported');
    return found;
  }

  /** The films that were shown last. */
  films(): readonly AttackFilm[] {
    const found = this.reports.findLast((report) => report.kind === 'film');
    if (found?.kind !== 'film') throw new Error(`no film was shown: ${this.refusal()}`);
    return found.films;
  }

  /** Message of the last refusal. */
  refusal(): string | undefined {
    const found = this.reports.findLast((report) => report.kind === 'refused');
    return found?.kind === 'refused' ? found.message : undefined;
  }
}
