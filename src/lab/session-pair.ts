import type { Position } from './lab-machine.js';
import type { MachineLayout } from './machine-state.js';
import type { Report, Request, StepUnit } from './protocol.js';
import { ReplayLog } from './replay-log.js';

/** Gives a session a request; its reports come back another way. */
export type Send = (request: Request) => void;

/** Starts a session somewhere (in a Web Worker, in the same thread) and returns the way to it. */
export type StartSession = (onReport: (report: Report) => void) => Send;

type ReportOf<K extends Report['kind']> = Extract<Report, { readonly kind: K }>;
type RequestOf<K extends Request['kind']> = Extract<Request, { readonly kind: K }>;

/** Longest replay from the start without a second session, ms of the reader's time. */
export const LONGEST_REPLAY_MS = 1000;
/** How far the second session is kept behind the first one, ms that it needs to come there. */
const LAG_MS = 500;
/** Events per ms until a session has been seen to run faster. */
const LEAST_EVENTS_PER_MS = 100;
/** Shortest span over which a rate is believed, ms. */
const LEAST_SPAN_MS = 5;

/** One of the two sessions, and what is known of it. */
interface Member {
  send: Send;
  /** Requests that it was given, without `shown`. */
  sent: number;
  state: ReportOf<'state'> | undefined;
  layouts: readonly MachineLayout[];
  /** Number of the run that it computes. */
  run: number;
  /** Where it was sent to, in events. */
  goal: number;
}

/**
 * Two sessions that a front end speaks to as if they were one. Going back replays a run from its start, since no machine
 * is ever saved; where that takes longer than {@link LONGEST_REPLAY_MS}, a second session follows some way behind, and on
 * a step back it goes on to the place, which is near, and the two change parts. Both compute the same run.
 */
export class SessionPair {
  readonly #onReport: (report: Report) => void;
  readonly #nowMs: () => number;
  readonly #start: StartSession;
  #front: Member;
  #behind: Member | undefined;
  /** Machines that were asked for and are not there yet, and those that are. */
  readonly #opening: RequestOf<'open'>[] = [];
  #opened: RequestOf<'open'> | undefined;
  #run = 0;
  readonly #log = new ReplayLog();
  #eventsPerMs = LEAST_EVENTS_PER_MS;
  #seen: { readonly atMs: number; readonly events: number } | undefined;
  /** A step back that waits until the first session has said where it stands. */
  #waiting: RequestOf<'back'> | undefined;
  #isArriving = false;
  #followed: RequestOf<'follow'> | undefined;
  #inspected: RequestOf<'inspect'> | undefined;

  /**
   * @param start starts a session: one at once, the second one when it is needed first
   * @param nowMs the reader's clock, ms
   */
  constructor(start: StartSession, onReport: (report: Report) => void, nowMs: () => number) {
    this.#start = start;
    this.#onReport = onReport;
    this.#nowMs = nowMs;
    this.#front = this.#member();
  }

  /** Takes a request of the front end. */
  request(request: Request): void {
    if (request.kind === 'shown') {
      this.#front.send(request);
      return;
    }
    this.#flush();
    if (request.kind === 'open') this.#opening.push(request);
    else if (request.kind === 'follow') this.#followed = request;
    else if (request.kind === 'inspect') this.#inspected = request;
    if (request.kind === 'back') this.#back(request);
    else if (request.kind === 'go') this.#go(request);
    else tell(this.#front, request);
  }

  #member(): Member {
    const member: Member = {
      send: () => undefined,
      sent: 0,
      state: undefined,
      layouts: [],
      run: -1,
      goal: 0,
    };
    member.send = this.#start((report) => {
      if (report.kind === 'opened' || report.kind === 'layout') member.layouts = report.layouts;
      if (report.kind === 'state') member.state = report;
      if (member === this.#behind) this.#takeBehind(member, report);
      else this.#takeFront(report);
    });
    return member;
  }

  #takeBehind(member: Member, { kind }: Report): void {
    if (kind === 'state') member.send({ kind: 'shown' });
    // Without a state it is not asked during this run, and the first session goes back by itself.
    else if (kind === 'failed' || kind === 'refused') member.state = undefined;
  }

  #takeFront(report: Report): void {
    if (report.kind === 'opened') this.#takeOpened(this.#opening.shift());
    else if (report.kind === 'refused' && report.request === 'open') this.#opening.shift();
    else if (report.kind === 'failed') this.#takeOpened(undefined);
    else if (report.kind === 'changed' && this.#opened !== undefined)
      this.#takeOpened({ ...this.#opened, plans: report.plans });
    else if (report.kind === 'state') this.#takeState(report);
    this.#onReport(report);
    if (report.kind !== 'state') return;
    const back = this.#waiting;
    if (back === undefined) this.#keepBehind(report);
    else if (isCurrent(this.#front)) {
      this.#waiting = undefined;
      this.#back(back);
    }
  }

  /** From here on the run is another one: what the second session computes is of no use. */
  #takeOpened(opened: RequestOf<'open'> | undefined): void {
    this.#run += 1;
    this.#front.run = this.#run;
    this.#opened = opened;
    this.#log.clear();
    this.#seen = undefined;
    this.#waiting = undefined;
  }

  #takeState({ activity, position, counts, requests }: ReportOf<'state'>): void {
    const atMs = this.#nowMs();
    const { events } = position;
    const seen = this.#seen;
    const spanMs = seen === undefined ? 0 : atMs - seen.atMs;
    if (seen === undefined || spanMs >= LEAST_SPAN_MS || events < seen.events) {
      if (seen !== undefined && events > seen.events)
        this.#eventsPerMs = Math.max(this.#eventsPerMs, (events - seen.events) / spanMs);
      this.#seen = { atMs, events };
    }
    // While it replays, a state still shows the machine that was left.
    if (activity !== 'replaying') this.#log.note({ ...position, counts });
    if (!this.#isArriving || activity === 'replaying' || requests !== this.#front.sent) return;
    this.#isArriving = false;
    for (const told of [this.#followed, this.#inspected]) if (told !== undefined) tell(this.#front, told);
  }

  /** Sends the second session to where it is of use, if it is worth having. */
  #keepBehind({ activity, position: { events } }: ReportOf<'state'>): void {
    if (activity === 'replaying' || this.#opened === undefined || !this.#isFar(events)) return;
    const lag = this.#eventsPerMs * LAG_MS;
    const to = this.#log.before('event', events - lag);
    if (to === undefined) return;
    this.#behind ??= this.#member();
    const behind = this.#behind;
    const position = { atNs: to.atNs, events: to.events };
    if (behind.run !== this.#run) {
      behind.run = this.#run;
      behind.state = undefined;
      behind.goal = to.events;
      tell(behind, { ...this.#opened, to: position });
      return;
    }
    const isLate = isCurrent(behind) && behind.goal < events - 2 * lag;
    if (!isLate && behind.goal < events) return;
    behind.goal = to.events;
    tell(behind, { kind: 'go', to: position });
  }

  /** Whether a replay from the start to a place takes long. */
  #isFar(events: number): boolean {
    return events / this.#eventsPerMs > LONGEST_REPLAY_MS;
  }

  #back(request: RequestOf<'back'>): void {
    const { state } = this.#front;
    if (this.#behind === undefined || state === undefined || !this.#isFar(state.position.events)) {
      tell(this.#front, request);
      return;
    }
    if (!isCurrent(this.#front)) {
      this.#waiting = request;
      return;
    }
    const { unit } = request;
    const count = state.counts[unit] - 1;
    const known = this.#standing(
      ({ counts, position }) => counts[unit] < count && isBefore(position, state.position),
    );
    if (known) this.#changeParts(reachOf(unit, count, this.#log.before(unit, count)));
    else tell(this.#front, request);
  }

  #go(request: RequestOf<'go'>): void {
    const from = this.#front.state?.position;
    const isBack = from !== undefined && isCurrent(this.#front) && isBefore(request.to, from);
    if (isBack && this.#standing(({ position }) => isBefore(position, request.to)))
      this.#changeParts(request);
    else tell(this.#front, request);
  }

  /** Whether the second session computes this run and stands where it is of use. */
  #standing(isOfUse: (state: ReportOf<'state'>) => boolean): boolean {
    const behind = this.#behind;
    return (
      behind?.state !== undefined && behind.run === this.#run && isCurrent(behind) && isOfUse(behind.state)
    );
  }

  /** The second session goes to a place and is the first one from now on. */
  #changeParts(request: Request): void {
    const front = this.#behind;
    if (front === undefined) return;
    this.#behind = this.#front;
    // It is ahead of the place that the reader has asked for, and is sent back once the display has reached that place.
    this.#behind.goal = Number.POSITIVE_INFINITY;
    if (this.#behind.state !== undefined) this.#behind.send({ kind: 'shown' });
    this.#front = front;
    this.#isArriving = true;
    this.#seen = undefined;
    this.#onReport({ kind: 'layout', layouts: front.layouts });
    tell(front, request);
  }

  /** What waits is done by the first session itself when something else is asked for. */
  #flush(): void {
    const back = this.#waiting;
    this.#waiting = undefined;
    if (back !== undefined) tell(this.#front, back);
  }
}

function tell(member: Member, request: Request): void {
  member.sent += 1;
  member.send(request);
}

/** Whether a session stands still and has said so after the last request that it was given. */
function isCurrent({ state, sent }: Member): boolean {
  return state?.requests === sent && (state.activity === 'paused' || state.activity === 'ended');
}

function isBefore(one: Position, other: Position): boolean {
  return one.atNs < other.atNs || (one.atNs === other.atNs && one.events < other.events);
}

function reachOf(unit: StepUnit, count: number, from: Position | undefined): RequestOf<'reach'> {
  return {
    kind: 'reach',
    unit,
    count,
    ...(from === undefined ? {} : { from: { atNs: from.atNs, events: from.events } }),
  };
}
