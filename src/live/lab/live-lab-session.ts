import { UserError } from '../../../scheduler/errors.js';
import { CATALOGUE } from '../../lab/catalogue.js';
import type { Subject } from '../../lab/inspect.js';
import type { LabPlan } from '../../lab/plan.js';
import { PROTOCOL_VERSION, type Report, type Request } from '../../lab/protocol.js';
import { disciplineOf } from '../../machine/entitlements.js';
import { rehearseChanges } from '../../machine/rehearse-changes.js';
import { checkScenario } from '../../scenario/check.js';
import type { ChangeSpec } from '../../scenario/schema.js';
import { LiveView } from './live-view.js';
import type { ServedRequest } from './served-request.js';
import type { ServedSession } from './served-session.js';

/** What of a real guest is changed while it runs. */
const CHANGED = ['weight', 'limitBps', 'priority'] as const;

/**
 * The lab's protocol, spoken for a session with real guests: one page that watches it and turns its knobs. Time is the
 * host's, so there is neither pace nor step. A state is sent when the last one has been drawn; what happens meanwhile is
 * in the next. It has no socket and no clock: `tell` is called from time to time.
 */
export class LiveLabSession {
  readonly #served: ServedSession;
  readonly #send: (report: Report) => void;
  #view: LiveView | undefined;
  #subject: Subject | undefined;
  #requests = 0;
  #isShown = true;
  /** Shares as the page knows them. */
  #told = '';

  constructor(served: ServedSession, send: (report: Report) => void) {
    this.#served = served;
    this.#send = send;
  }

  /** Takes a request. What cannot be is answered with `refused`, and nothing changes. */
  request(request: ServedRequest): void {
    if (request.kind !== 'shown') this.#requests += 1;
    try {
      this.#take(request);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.refuse(request.kind, error.message);
    }
  }

  refuse(request: Request['kind'], message: string): void {
    this.#send({ kind: 'refused', request, message });
  }

  /** Sends the state of now, if the page has drawn the one before. */
  tell(): void {
    const view = this.#view;
    if (view === undefined || !this.#isShown) return;
    this.#served.advance();
    this.#isShown = false;
    this.#tellShares();
    if (view.refreshLayout()) this.#send({ kind: 'layout', layouts: [view.layout] });
    const { kernel } = this.#served.machine;
    this.#send({
      kind: 'state',
      activity: 'playing',
      position: { atNs: kernel.nowNs, events: kernel.executed },
      counts: view.counts,
      requests: this.#requests,
      machines: [view.state()],
      served: view.servedState(),
      ...(this.#subject === undefined ? {} : { details: view.details(this.#subject) }),
    });
  }

  /** The page is gone. */
  close(): void {
    this.#view?.close();
    this.#view = undefined;
  }

  #take(request: ServedRequest): void {
    switch (request.kind) {
      case 'open':
        this.#open(request.version);
        break;
      case 'change':
        this.#change(request.change);
        break;
      case 'policy':
        this.#served.setPolicy(request.policy);
        break;
      case 'capture':
        if (request.on !== (this.#served.capturing !== undefined)) this.#served.toggleCapture();
        break;
      case 'inspect':
        this.#subject = request.subject as Subject | undefined;
        break;
      case 'shown':
        this.#isShown = true;
        break;
    }
  }

  #open(version: number): void {
    if (version !== PROTOCOL_VERSION)
      throw new UserError(
        `version is ${version}, expected ${PROTOCOL_VERSION}: the page and \`serve\` are of different releases, load it again`,
      );
    this.#view?.close();
    this.#view = new LiveView(this.#served);
    this.#isShown = true;
    const plans = this.#plans();
    this.#told = JSON.stringify(plans);
    this.#send({
      kind: 'opened',
      version: PROTOCOL_VERSION,
      clock: 'wall',
      catalogue: CATALOGUE,
      plans,
      layouts: [this.#view.layout],
    });
  }

  /** A share has been changed here, by another page or by a key. */
  #tellShares(): void {
    const plans = this.#plans();
    const now = JSON.stringify(plans);
    if (now === this.#told) return;
    this.#told = now;
    this.#send({ kind: 'changed', plans });
  }

  /** What the session is of, with the shares that guests have now as its changes. */
  #plans(): LabPlan[] {
    const { scenario, protection, discipline, seed } = this.#served.subject;
    return [
      {
        scenario: { ...scenario, changes: this.#changes() },
        approach: protection,
        discipline,
        seed,
      },
    ];
  }

  #changes(): ChangeSpec[] {
    return this.#served.machine.guests.flatMap(({ name, device }) => {
      const share = device.share.now;
      return CHANGED.flatMap((field) =>
        share[field] === undefined ? [] : [{ atNs: 0, guest: name, [field]: share[field] } as ChangeSpec],
      );
    });
  }

  /** One field of one guest's share, as an entry of a scenario's `changes` without its time. */
  #change(entry: Readonly<Record<string, unknown>>): void {
    const { machine, subject } = this.#served;
    const { scenario, discipline } = subject;
    const checked = checkScenario({ ...scenario, changes: [{ ...entry, atNs: 0 }] });
    const [change] = checked.changes ?? [];
    if (change === undefined) return;
    const { guest, weight, limitBps, priority, rateBps } = change;
    if (rateBps !== undefined)
      throw new UserError(
        'rateBps is no knob of a session with real guests, expected an entry of `changes` in its scenario',
      );
    const number = machine.guests.findIndex(({ name }) => name === guest);
    if (number < 0) {
      const names = machine.guests.map(({ name }) => name).join(', ');
      throw new UserError(`guest is ${JSON.stringify(guest)}, expected a real guest: ${names}`);
    }
    if (weight === undefined && limitBps === undefined && priority === undefined)
      throw new UserError(`${guest} is a real guest: expected one of: ${CHANGED.join(', ')}`);
    // Refused here, and not by the card later: a discipline may not take every share.
    rehearseChanges({ ...checked, changes: [...this.#changes(), change] }, disciplineOf(checked, discipline));
    if (weight !== undefined) this.#served.setWeight(number, weight);
    if (limitBps !== undefined)
      this.#served.setLimit(number, limitBps === null ? undefined : Math.max(1, Math.round(limitBps)));
    if (priority !== undefined) this.#served.setPriority(number, priority);
  }
}
