import { parseUnpackedCapture } from '../../guests/capture/parse-capture.js';
import type { Direction } from '../../nic/context.js';
import { UserError } from '../../scheduler/errors.js';
import { type CaptureStore, captureKey } from '../machine/traffic.js';
import { CHANGED } from '../scenario/schema.js';
import { type Cast, filmAttack, filmAttackInRun } from './attack-film.js';
import { CATALOGUE } from './catalogue.js';
import type { Subject } from './inspect.js';
import type { Position } from './lab-machine.js';
import { type CheckedPlan, checkPlan, type LabPlan } from './plan.js';
import {
  type Activity,
  type CaptureFile,
  type LabChange,
  type Output,
  PROTOCOL_VERSION,
  type Report,
  type Request,
  type StepUnit,
} from './protocol.js';
import { ReplayLog } from './replay-log.js';
import { ShownMachine } from './shown-machine.js';
import { takeOut } from './take-out.js';

/** Says when the time of a turn is over. A session has no clock of its own. */
export type Expired = () => boolean;

/** Virtual time between two looks at the clock, ns. */
const SLICE_NS = 20_000;
/** Events between two looks at the clock. */
const SLICE_EVENTS = 256;
/** Fastest pace at which everything that happens is written down, ns of virtual time per second. */
const WATCHED_PACE_NS = 2_000_000;

/** A guest one of whose frames is followed. */
interface Followed {
  readonly machine: number;
  readonly column: number;
  readonly way: Direction;
}

type RequestOf<K extends Request['kind']> = Extract<Request, { readonly kind: K }>;

/** Latest time of a run at which an attack is played in it, ns: it is run there several times, and nothing is shown meanwhile. */
const MOST_ATTACK_NS = 1_000_000_000;

/** Where a replay goes: to a position, or to where so many of a unit have been counted. */
type Goal =
  | { readonly to: Position }
  | { readonly unit: StepUnit; readonly count: number; readonly from: Position | undefined };

/**
 * One session of the lab: takes requests, runs one or two machines in turns, and says what they look like. The same in
 * a Web Worker, in Node and behind a socket: it is given the time of a turn and has no clock, no timer and no thread.
 */
export class LabSession {
  readonly #send: (report: Report) => void;
  readonly #version: string;
  #checked: readonly CheckedPlan[] = [];
  #captures: CaptureStore = new Map();
  #machines: ShownMachine[] = [];
  readonly #log = new ReplayLog();
  #activity: Activity = 'paused';
  #paceNs: number | null = null;
  /** Virtual time that the pace has reached, ns, with fractions. */
  #dueNs = 0;
  #seeking: { readonly unit: StepUnit; readonly from: number } | undefined;
  #replay: { readonly machines: ShownMachine[]; readonly goal: Goal; readonly resume: Activity } | undefined;
  /** Knobs that were turned while a replay counts to a place whose time is not known yet. */
  #waitingChanges: LabChange[] = [];
  #subject: { readonly machine: number; readonly subject: Subject } | undefined;
  #followed: Followed | undefined;
  /** Requests that were taken, without `shown`. */
  #requests = 0;
  #isShown = true;
  #isStale = false;

  /** @param version of this package, for documents that are taken out */
  constructor(send: (report: Report) => void, version: string) {
    this.#send = send;
    this.#version = version;
  }

  get activity(): Activity {
    return this.#activity;
  }

  /** Whether another turn has something to do. */
  get busy(): boolean {
    return this.#activity === 'playing' || this.#activity === 'seeking' || this.#activity === 'replaying';
  }

  /** Whether it plays at a pace, and not as fast as it can. */
  get isPaced(): boolean {
    return this.#activity === 'playing' && this.#paceNs !== null;
  }

  /** Takes a request. A user's mistake is answered with `refused`, and nothing changes. */
  request(request: Request): void {
    if (request.kind !== 'shown') {
      this.#requests += 1;
      this.#stale();
    }
    try {
      this.#take(request);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#send({ kind: 'refused', request: request.kind, message: error.message });
    }
  }

  /**
   * Runs for one turn.
   *
   * @param elapsedMs since the turn before, for the pace
   * @param expired is asked often; the turn ends soon after it says so
   */
  turn(elapsedMs: number, expired: Expired): void {
    if (this.#activity === 'replaying') this.#turnReplay(expired);
    else if (this.#activity === 'seeking') this.#turnSeek(expired);
    else if (this.#activity === 'playing') this.#turnPlay(elapsedMs, expired);
    this.#tell();
  }

  #take(request: Request): void {
    switch (request.kind) {
      case 'open':
        if (request.version !== PROTOCOL_VERSION) {
          throw new UserError(`version is ${request.version}, expected ${PROTOCOL_VERSION}`);
        }
        this.#open(request.plans, request.to, request.captures ?? []);
        break;
      case 'play':
        this.#play(request.paceNs);
        break;
      case 'pause':
        if (this.#replay !== undefined) this.#replay = { ...this.#replay, resume: 'paused' };
        else if (this.busy) this.#pause();
        break;
      case 'step':
        this.#step(request.unit);
        break;
      case 'back':
        this.#back(request.unit);
        break;
      case 'go':
        this.#go(request.to);
        break;
      case 'reach':
        this.#reach(request.unit, request.count, request.from);
        break;
      case 'change':
        this.#change(request.change);
        break;
      case 'follow':
        this.#followed = followedBy(request);
        for (const [index, machine] of this.#machines.entries()) this.#followIn(machine, index);
        this.#stale();
        break;
      case 'inspect':
        this.#subject =
          request.subject === undefined ? undefined : { machine: request.machine, subject: request.subject };
        this.#stale();
        break;
      case 'take-out':
        this.#takeOut(request.machine, request.output);
        break;
      case 'attack':
        this.#send({ kind: 'film', films: [filmAttack(request.attack, request.approach, request.seed)] });
        break;
      case 'attack-here':
        this.#attackHere(request.attack, request.cast);
        break;
      case 'policy':
      case 'capture':
        throw new UserError(
          `${request.kind} is for real guests, expected a page that \`serve --lab\` has opened`,
        );
      case 'shown':
        this.#isShown = true;
        this.#tell();
        break;
      default:
        throw new UserError(`${(request as { kind: string }).kind} is not a request that this machine knows`);
    }
  }

  #open(plans: readonly LabPlan[], to: Position | undefined, captures: readonly CaptureFile[]): void {
    if (plans.length < 1 || plans.length > 2) {
      throw new UserError(`plans are ${plans.length}, expected one, or two side by side`);
    }
    const checked = plans.map(checkPlan);
    const store = capturesOf(checked, captures);
    const machines = this.#build(checked, store);
    // What follows cannot be refused any more.
    this.#dropReplay();
    for (const machine of this.#machines) machine.close();
    this.#waitingChanges = [];
    this.#seeking = undefined;
    this.#checked = checked;
    this.#captures = store;
    this.#log.clear();
    this.#adopt(machines);
    this.#activity = 'paused';
    this.#send({
      kind: 'opened',
      version: PROTOCOL_VERSION,
      clock: 'own',
      catalogue: CATALOGUE,
      plans,
      layouts: machines.map(({ layout }) => layout),
    });
    if (to !== undefined && (to.atNs > 0 || to.events > 0)) this.#startReplay({ to }, 'paused', machines);
    this.#stale();
  }

  #build(checked: readonly CheckedPlan[], captures: CaptureStore): ShownMachine[] {
    for (const { scenario } of checked) {
      for (const { traffic } of scenario.guests) {
        if (traffic.kind !== 'replay' || captures.has(captureKey('', traffic.capture))) continue;
        throw new UserError(
          `scenario: traffic.capture is ${JSON.stringify(traffic.capture)}, which is not here; drop that file on the page too`,
        );
      }
    }
    return checked.map((plan) => new ShownMachine(plan, captures));
  }

  #adopt(machines: ShownMachine[]): void {
    this.#machines = machines;
    // 0: there is no machine yet.
    this.#dueNs = machines[0]?.position.atNs ?? 0;
    for (const [index, machine] of machines.entries()) this.#followIn(machine, index);
    this.#watch();
  }

  #followIn(machine: ShownMachine, index: number): void {
    const { machine: of, column, way } = this.#followed ?? {};
    machine.follow(of === index ? column : undefined, way);
  }

  #play(paceNs: number | null): void {
    if (paceNs !== null && !(paceNs >= 1 && paceNs <= 1e12)) {
      throw new UserError(`paceNs is ${paceNs}, expected 1 to 1e12, or null for as fast as it can`);
    }
    this.#paceNs = paceNs;
    if (this.#replay !== undefined) {
      this.#replay = { ...this.#replay, resume: 'playing' };
      return;
    }
    if (this.#first().lab.done) return;
    this.#activity = 'playing';
    this.#seeking = undefined;
    this.#dueNs = this.#first().position.atNs;
    this.#watch();
  }

  #pause(): void {
    this.#activity = this.#first().lab.done ? 'ended' : 'paused';
    this.#seeking = undefined;
    this.#watch();
    this.#stale();
  }

  #step(unit: StepUnit): void {
    if (this.#activity === 'replaying') return;
    const machine = this.#first();
    this.#seeking = { unit, from: machine.counts[unit] };
    this.#activity = 'seeking';
    this.#note();
    this.#watch();
  }

  /** Back to just after the one before the last of a unit: the start of the run when there is none. */
  #back(unit: StepUnit): void {
    if (this.#activity === 'replaying') return;
    this.#reach(unit, this.#first().counts[unit] - 1);
  }

  #reach(unit: StepUnit, count: number, near?: Position): void {
    const from = near ?? this.#log.before(unit, count);
    const machines = this.#replay?.machines ?? this.#machines;
    const first = machines[0] ?? this.#first();
    if (count <= 0) this.#startReplay({ to: { atNs: 0, events: 0 } }, 'paused');
    else
      this.#startReplay({ unit, count, from }, 'paused', first.counts[unit] < count ? machines : undefined);
  }

  #go(to: Position): void {
    // Those of a replay that is under way have the changes which were made last.
    const machines = this.#replay?.machines ?? this.#machines;
    const { atNs, events } = (machines[0] ?? this.#first()).position;
    const isBehind = to.atNs < atNs || (to.atNs === atNs && to.events < events);
    this.#startReplay({ to }, 'paused', isBehind ? undefined : machines);
  }

  /**
   * A knob is turned at the next nanosecond: the change joins the scenario, where it replaces those of a later time, and
   * the machine is taken here again with it. What it does from here on is what a run of that scenario does. "Here" is
   * where a replay that is under way goes to.
   */
  #change(change: LabChange): void {
    const resume = this.#replay?.resume ?? this.#activity;
    const atNs = this.#hereNs();
    if (atNs === undefined) {
      this.#waitingChanges.push(change);
      return;
    }
    const plans = this.#checked.map(({ plan }) => {
      const earlier = (plan.scenario.changes ?? []).filter(
        (other) => other.atNs <= atNs || (other.atNs === atNs + 1 && !isSameKnob(other, change)),
      );
      const changes = [...earlier, { ...change, atNs: atNs + 1 }];
      return { ...plan, scenario: { ...plan.scenario, changes } };
    });
    const checked = plans.map(checkPlan);
    const machines = this.#build(checked, this.#captures);
    // What follows cannot be refused any more.
    this.#checked = checked;
    this.#log.clear();
    this.#send({ kind: 'changed', plans });
    const to = { atNs, events: Number.MAX_SAFE_INTEGER };
    this.#startReplay({ to }, resume === 'playing' ? 'playing' : 'paused', machines);
  }

  #attackHere(attack: string, cast: Cast): void {
    const atNs = this.#hereNs();
    if (atNs === undefined) throw new UserError('the replay is not over, expected a machine that stands');
    if (atNs > MOST_ATTACK_NS)
      throw new UserError(
        `the run stands at ${atNs} ns, expected at most ${MOST_ATTACK_NS}: an attack replays it from its start`,
      );
    const films = this.#checked.map((checked) =>
      filmAttackInRun(attack, checked, this.#captures, atNs, cast),
    );
    this.#send({ kind: 'film', films });
  }

  #takeOut(machine: number, output: Output): void {
    const checked = this.#checked[machine];
    if (checked === undefined) throw new UserError(`machine is ${machine}, expected 0 or 1`);
    const atNs = this.#hereNs();
    if (atNs === undefined) throw new UserError('the replay is not over, expected a machine that stands');
    const taken = takeOut({ checked, captures: this.#captures, atNs, output, version: this.#version });
    this.#send({ kind: 'took-out', output, ...taken });
  }

  #startReplay(goal: Goal, resume: Activity, from?: ShownMachine[]): void {
    const machines = from ?? this.#build(this.#checked, this.#captures);
    if (this.#replay?.machines !== machines) this.#dropReplay();
    this.#replay = { machines, goal, resume };
    this.#activity = 'replaying';
  }

  /** Time at which the reader stands, ns: the goal of a replay. Undefined while it looks for something that is counted. */
  #hereNs(): number | undefined {
    const goal = this.#replay?.goal;
    if (goal === undefined) return this.#first().position.atNs;
    const endNs = this.#first().lab.checked.endNs;
    return 'to' in goal ? Math.min(goal.to.atNs, endNs) : undefined;
  }

  #dropReplay(): void {
    if (this.#replay === undefined) return;
    const { machines } = this.#replay;
    this.#replay = undefined;
    if (machines !== this.#machines) for (const machine of machines) machine.close();
  }

  #turnReplay(expired: Expired): void {
    const replay = this.#replay;
    if (replay === undefined) return;
    const { machines, goal } = replay;
    const [first] = machines;
    if (first === undefined) return;
    const target = 'to' in goal ? goal.to : goal.from;
    while (target !== undefined && first.position.atNs < target.atNs - 1) {
      first.lab.runTo(Math.min(target.atNs - 1, first.position.atNs + SLICE_NS));
      if (first.lab.done) break;
      if (expired()) {
        this.#stale();
        return;
      }
    }
    if (target !== undefined) first.lab.runToPosition(target);
    if ('unit' in goal) {
      while (first.counts[goal.unit] < goal.count && first.lab.stepEvent())
        if (expired()) {
          this.#stale();
          return;
        }
    }
    const { atNs } = first.position;
    for (const other of machines.slice(1)) {
      while (other.position.atNs < atNs && !other.lab.done) {
        other.lab.runTo(Math.min(atNs, other.position.atNs + SLICE_NS));
        if (expired() && other.position.atNs < atNs) {
          this.#stale();
          return;
        }
      }
    }
    if (machines !== this.#machines) {
      for (const machine of this.#machines) machine.close();
      this.#adopt(machines);
    }
    this.#replay = undefined;
    this.#dueNs = atNs;
    this.#activity = first.lab.done ? 'ended' : replay.resume;
    this.#watch();
    this.#stale();
    for (const change of this.#waitingChanges.splice(0)) this.request({ kind: 'change', change });
  }

  #turnSeek(expired: Expired): void {
    const seeking = this.#seeking;
    if (seeking === undefined) return;
    const first = this.#first();
    for (let events = 0; first.counts[seeking.unit] === seeking.from; events += 1) {
      if (!first.lab.stepEvent()) break;
      if (events % SLICE_EVENTS === SLICE_EVENTS - 1) {
        this.#note();
        if (expired()) {
          this.#follow();
          this.#stale();
          return;
        }
      }
    }
    this.#follow();
    this.#note();
    this.#pause();
  }

  /** The second machine comes along to the time of the first. */
  #follow(): void {
    const { atNs } = this.#first().position;
    for (const other of this.#machines.slice(1)) other.lab.runTo(atNs);
  }

  #turnPlay(elapsedMs: number, expired: Expired): void {
    const pace = this.#paceNs;
    const { atNs } = this.#first().position;
    // What could not be kept up with is not caught up with later.
    if (pace !== null) this.#dueNs = Math.max(this.#dueNs, atNs) + (pace * Math.min(elapsedMs, 100)) / 1000;
    const untilNs = pace === null ? Number.POSITIVE_INFINITY : Math.floor(this.#dueNs);
    do {
      const fromNs = this.#first().position.atNs;
      if (fromNs >= untilNs) break;
      const nextNs = Math.min(untilNs, fromNs + SLICE_NS);
      for (const { lab } of this.#machines) lab.runTo(nextNs);
      this.#note();
    } while (!expired() && !this.#first().lab.done);
    if (pace !== null && this.#first().position.atNs < untilNs) this.#dueNs = this.#first().position.atNs;
    if (this.#first().lab.done) this.#pause();
    this.#stale();
  }

  #note(): void {
    const first = this.#first();
    this.#log.note({ ...first.position, counts: first.counts });
  }

  #watch(): void {
    const isSlow = this.#activity !== 'playing' || (this.#paceNs !== null && this.#paceNs <= WATCHED_PACE_NS);
    for (const machine of this.#machines) machine.journal.watch(isSlow);
  }

  #first(): ShownMachine {
    const [first] = this.#machines;
    if (first === undefined) throw new UserError('no machine is open, expected `open` first');
    return first;
  }

  #stale(): void {
    this.#isStale = true;
  }

  /** Sends the state if it is new and the last one has been shown. */
  #tell(): void {
    const [first] = this.#machines;
    if (!this.#isStale || !this.#isShown || first === undefined) return;
    this.#isStale = false;
    this.#isShown = false;
    const changed = this.#machines.map((machine) => machine.refreshLayout());
    if (changed.includes(true))
      this.#send({ kind: 'layout', layouts: this.#machines.map(({ layout }) => layout) });
    const story = this.#followed === undefined ? undefined : this.#machines[this.#followed.machine]?.story;
    const details =
      this.#subject === undefined
        ? undefined
        : this.#machines[this.#subject.machine]?.details(this.#subject.subject);
    this.#send({
      kind: 'state',
      activity: this.#activity,
      position: first.position,
      counts: first.counts,
      requests: this.#requests,
      machines: this.#machines.map((machine) => machine.state()),
      ...(story === undefined ? {} : { story }),
      ...(details === undefined ? {} : { details }),
      ...(this.#replay === undefined ? {} : { replayed: this.#replayedShare(this.#replay) }),
    });
  }

  #replayedShare({ machines, goal }: { machines: ShownMachine[]; goal: Goal }): number {
    const target = 'to' in goal ? goal.to.atNs : this.#first().position.atNs;
    // 0: there is no machine yet.
    return Math.min(1, (machines[0]?.position.atNs ?? 0) / Math.max(1, target));
  }
}

function followedBy({ machine, column, way = 'transmit' }: RequestOf<'follow'>): Followed | undefined {
  if (way !== 'transmit' && way !== 'receive')
    throw new UserError(`way is ${String(way)}, expected transmit or receive`);
  return column === undefined ? undefined : { machine, column, way };
}

/**
 * The captures that scenarios name, of those that are here; a file that was brought has no folder. What no scenario names
 * is not looked at: a file that is no capture would otherwise refuse every machine from then on.
 */
function capturesOf(checked: readonly CheckedPlan[], captures: readonly CaptureFile[]): CaptureStore {
  const store: CaptureStore = new Map();
  for (const { scenario } of checked) {
    for (const { traffic } of scenario.guests) {
      if (traffic.kind !== 'replay') continue;
      const base = traffic.capture.replace(/^.*[/\\]/u, '');
      const file =
        captures.find(({ name }) => name === traffic.capture) ?? captures.find(({ name }) => name === base);
      const key = captureKey('', traffic.capture);
      if (file !== undefined && !store.has(key)) store.set(key, parseUnpackedCapture(file.name, file.bytes));
    }
  }
  return store;
}

/** Whether two changes turn the same knob: of the same guest, or of the wire. */
function isSameKnob(one: LabChange, other: LabChange): boolean {
  return one.guest === other.guest && CHANGED.some((field) => field in one && field in other);
}
