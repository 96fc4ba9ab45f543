import { batch, computed, signal } from '@preact/signals';
import type { Direction } from '../../../nic/context.js';
import type { AttackFilm, Cast } from '../attack-film.js';
import type { Catalogue } from '../catalogue.js';
import type { Details, Subject } from '../inspect.js';
import type { EntryKind } from '../journal.js';
import type { Position } from '../lab-machine.js';
import type { MachineLayout, MachineState } from '../machine-state.js';
import type { LabPlan } from '../plan.js';
import { presetOf } from '../presets.js';
import type {
  Activity,
  CaptureFile,
  Clock,
  LabChange,
  Report,
  Request,
  ServedState,
  StepUnit,
} from '../protocol.js';
import { PROTOCOL_VERSION } from '../protocol.js';
import type { Percentile } from '../recent-latencies.js';
import type { FrameStory } from '../story/frame-story.js';
import { History, type HistoryPoint, pointBetween } from './history.js';
import { readerNowMs } from './reader-clock.js';
import { prefersStillness } from './theme.js';
import { Tokens } from './tokens.js';

/** Panels beside the picture. */
export const PANELS = ['tours', 'knobs', 'attacks', 'look', 'links'] as const;
export type Panel = (typeof PANELS)[number];

const first = presetOf('three-guests');

/** The plan of each machine; two run side by side. */
export const plans = signal<readonly LabPlan[]>([
  { scenario: first?.scenario ?? { guests: [{}] }, approach: 'cdna', discipline: 'drr', seed: 1 },
]);
/** Whose time the machine runs by: with real guests it is the host's, and nothing moves it. */
export const clock = signal<Clock>('own');
/** What a session with real guests has besides the machine. */
export const served = signal<ServedState | undefined>(undefined);
/** What there is to choose from. */
export const catalogue = signal<Catalogue>({ approaches: [], disciplines: [], attacks: [] });
export const layouts = signal<readonly MachineLayout[]>([]);
/** The machines as they are now: what is drawn on canvases, with every state that comes. */
export const drawn = signal<readonly MachineState[]>([]);
/** The machines as figures and words show them: a few times per second while they run, else at once. */
export const machines = signal<readonly MachineState[]>([]);
export const position = signal<Position>({ atNs: 0, events: 0 });
export const activity = signal<Activity>('paused');
export const replayed = signal<number | undefined>(undefined);
export const story = signal<FrameStory | undefined>(undefined);
export const details = signal<Details | undefined>(undefined);
export const subject = signal<{ readonly machine: number; readonly subject: Subject } | undefined>(undefined);
export const followed = signal<
  { readonly machine: number; readonly column: number; readonly way: Direction } | undefined
>(undefined);
export const paceNs = signal<number | null>(50_000);
export const panel = signal<Panel>('tours');
/** Percentile of the latencies that figures and plots show. */
export const percentile = signal<Percentile>('p99');
export const message = signal<string | undefined>(undefined);
/** What a screen reader is told: one sentence per thing that the reader has done. */
export const announcement = signal('');
export const theme = signal<'auto' | 'light' | 'dark'>('auto');
export const captures = signal<readonly CaptureFile[]>([]);

export const isServed = computed(() => clock.value === 'wall');
export const isPlaying = computed(() => activity.value === 'playing');
export const isBusy = computed(() => activity.value === 'replaying' || activity.value === 'seeking');

/** What the plots show, per machine. */
export const histories: readonly [History, History] = [new History(), new History()];
/** What moves on the picture, per machine. */
export const tokens: readonly [Tokens, Tokens] = [new Tokens(), new Tokens()];

/** An attack that was played, picture by picture, in place of the machine that runs. */
export const films = signal<readonly AttackFilm[]>([]);
export const film = computed(() => films.value[0]);
export const filmAt = signal(0);
export const isFilmPlaying = signal(false);
export const isFilming = signal(false);

/** Least time between two changes of what is to be read, ms: faster ones cannot be, and the page has to lay them out. */
const FIGURES_MS = 100;
/** When that changed last, on the reader's clock. */
let figuresMs = 0;

let send: (request: Request) => void = () => undefined;

/** The page belongs to a session with real guests: what moves or replaces a machine is not there. */
export function enterServed(): void {
  clock.value = 'wall';
  plans.value = [];
  panel.value = 'knobs';
}

/** The way to the machine. */
export function connect(to: (request: Request) => void): void {
  send = to;
}

/** Pictures of a film over which its rates are taken. */
const FILM_WINDOW = 15;

/** Rates and percentages of a picture now: of the machine that runs, or of the film. */
export function latestPoint(machine: number): HistoryPoint | undefined {
  if (film.value === undefined) return histories[machine]?.latest;
  const shown = films.value[machine]?.pictures;
  if (shown === undefined) return undefined;
  const after = shown[filmAt.value]?.snapshot;
  const before = shown[Math.max(0, filmAt.value - FILM_WINDOW)]?.snapshot;
  return after === undefined || before === undefined || after === before
    ? undefined
    : pointBetween(before, after);
}

/** Machines that were asked for and are not there yet, in their order, each with what is done once they are. */
const opening: { readonly then: (() => void) | undefined }[] = [];
/** What is done at the first state of the machines that were opened last. */
let afterOpening: (() => void) | undefined;

/** Builds the machines anew at time 0, or takes them to a position. */
export function open(next: readonly LabPlan[], to?: Position, then?: () => void): void {
  leaveFilm();
  message.value = undefined;
  opening.push({ then });
  send({
    kind: 'open',
    version: PROTOCOL_VERSION,
    plans: next,
    ...(to === undefined ? {} : { to }),
    ...(captures.value.length === 0 ? {} : { captures: captures.value }),
  });
}

/**
 * Builds machines and does something with them as soon as they are there; nothing is done with machines that are refused,
 * or that others were asked for after.
 */
export function openThen(next: readonly LabPlan[], then: () => void): void {
  open(next, undefined, then);
}

/** Lets an attack of the matrix be played, and shows the film of it. */
export function attack(name: string, approach: string, seed: number): void {
  pause();
  isFilming.value = true;
  send({ kind: 'attack', attack: name, approach, seed });
}

/** Lets an attack be played in the run that is shown, from one of its guests on another. */
export function attackHere(name: string, cast: Cast): void {
  pause();
  isFilming.value = true;
  send({ kind: 'attack-here', attack: name, cast });
}

/** Back from a film to the machine that runs. */
export function leaveFilm(): void {
  if (film.value === undefined) return;
  batch(() => {
    films.value = [];
    isFilmPlaying.value = false;
    for (const moving of tokens) moving.clear();
    showMachines(live.machines);
    layouts.value = live.layouts;
    if (live.position !== undefined) position.value = live.position;
  });
}

/** Where the run stands, also while a film is shown. */
export function runPosition(): Position {
  return film.value === undefined || live.position === undefined ? position.value : live.position;
}

/** Shows a picture of the film. */
export function showPicture(at: number): void {
  const shown = film.value;
  const picture = shown?.pictures[Math.max(0, Math.min(at, shown.pictures.length - 1))];
  if (shown === undefined || picture === undefined) return;
  batch(() => {
    const next = shown.pictures.indexOf(picture);
    for (const [machine, { pictures }] of films.value.entries()) {
      const moving = tokens[machine];
      if (next !== filmAt.value + 1) moving?.clear();
      const from = next === filmAt.value + 1 ? next : Math.max(0, next - 3);
      moving?.add(pictures.slice(from, next + 1).flatMap(({ entries }) => entries));
    }
    filmAt.value = next;
    // Both were played from the same instant; the shorter one stands at its end.
    const states = films.value.map(({ pictures }) => pictures[next] ?? pictures.at(-1) ?? picture);
    announceRefusals(states, !isFilmPlaying.value);
    showMachines(states);
    position.value = { atNs: picture.snapshot.atNs, events: picture.snapshot.events };
  });
}

/** Index of the next picture, either way, at which a unit was counted; the last or the first one when there is none. */
function pictureWith(unit: StepUnit, way: 1 | -1): number {
  const pictures = film.value?.pictures ?? [];
  const countOf = (at: number) => {
    const snapshot = pictures[at]?.snapshot;
    if (snapshot === undefined || unit === 'event') return at;
    if (unit === 'fault') return snapshot.faults;
    return snapshot.guests.reduce((sum, { framesTransmitted }) => sum + framesTransmitted, 0);
  };
  for (let at = filmAt.value + way; at > 0 && at < pictures.length; at += way)
    if (countOf(at) !== countOf(at - 1)) return at;
  return way > 0 ? pictures.length - 1 : 0;
}

function showMachines(states: readonly MachineState[]): void {
  drawn.value = states;
  machines.value = states;
}

/** What the machine that runs looked like last, while a film is shown. */
const live: {
  machines: readonly MachineState[];
  layouts: readonly MachineLayout[];
  position: Position | undefined;
} = { machines: [], layouts: [], position: undefined };

export function play(): void {
  if (activity.value === 'ended') go({ atNs: 0, events: 0 });
  send({ kind: 'play', paceNs: paceNs.value });
}

export function pause(): void {
  send({ kind: 'pause' });
}

export function toggle(): void {
  if (film.value !== undefined) {
    if (filmAt.value === film.value.pictures.length - 1) showPicture(0);
    isFilmPlaying.value = !isFilmPlaying.value;
    return;
  }
  if (isPlaying.value || activity.value === 'seeking') pause();
  else play();
}

export function setPace(next: number | null): void {
  paceNs.value = next;
  if (isPlaying.value) send({ kind: 'play', paceNs: next });
}

export function step(unit: StepUnit): void {
  if (film.value !== undefined) {
    isFilmPlaying.value = false;
    showPicture(pictureWith(unit, 1));
    return;
  }
  if (isPlaying.value) pause();
  send({ kind: 'step', unit });
  announcement.value = `To the next ${unit}.`;
}

export function back(unit: StepUnit): void {
  if (film.value !== undefined) {
    isFilmPlaying.value = false;
    showPicture(pictureWith(unit, -1));
    return;
  }
  if (isPlaying.value) pause();
  send({ kind: 'back', unit });
  announcement.value = `Back to the ${unit} before.`;
}

export function go(to: Position): void {
  send({ kind: 'go', to });
}

/** Shows what is known of something on the picture. */
export function look(machine: number, what: Subject): void {
  subject.value = { machine, subject: what };
  panel.value = 'look';
  send({ kind: 'inspect', machine, subject: what });
}

/** Follows the next frame that a guest sends, or that comes for it; none when the column is undefined. */
export function follow(machine: number, column: number | undefined, way: Direction = 'transmit'): void {
  followed.value = column === undefined ? undefined : { machine, column, way };
  story.value = undefined;
  send({ kind: 'follow', machine, ...(column === undefined ? {} : { column, way }) });
}

/** Changes plans: what decides the run from its first event on. The machines start anew, with the same seed. */
export function replan(change: (plan: LabPlan, machine: number) => LabPlan): void {
  const wasPlaying = isPlaying.value;
  open(plans.value.map(change));
  if (wasPlaying) send({ kind: 'play', paceNs: paceNs.value });
}

/** Turns a knob of a guest while the machine runs. */
export function change(turned: LabChange): void {
  send({ kind: 'change', change: turned });
}

export function request(other: Request): void {
  send(other);
}

/** A file that came out of the machine and has not been given to the reader yet. */
let taken: Extract<Report, { kind: 'took-out' }> | undefined;

/** The file that came out last, once. */
export function takenFile(): typeof taken {
  const file = taken;
  taken = undefined;
  return file;
}

type ReportOf<K extends Report['kind']> = Extract<Report, { readonly kind: K }>;

/** Whether the next state is the first of machines that were just built. */
let isFresh = false;

/** Takes what the machine reports. */
export function take(report: Report): void {
  batch(() => {
    switch (report.kind) {
      case 'opened':
        takeOpened(report);
        break;
      case 'layout':
        live.layouts = report.layouts;
        if (film.value === undefined) layouts.value = report.layouts;
        break;
      case 'film':
        takeFilm(report);
        break;
      case 'state':
        takeState(report);
        break;
      case 'took-out':
        taken = report;
        break;
      case 'changed':
        plans.value = report.plans;
        break;
      case 'refused':
        takeRefusal(report);
        break;
      case 'failed':
        // Nothing runs any more until machines are opened anew.
        activity.value = 'paused';
        isFilming.value = false;
        opening.length = 0;
        message.value = isServed.value
          ? `Nothing comes any more: ${report.message}`
          : `The machine stopped: ${report.message}`;
        announcement.value = message.value;
        break;
      default:
        break;
    }
  });
}

function takeOpened(report: ReportOf<'opened'>): void {
  plans.value = report.plans;
  clock.value = report.clock;
  catalogue.value = report.catalogue;
  layouts.value = report.layouts;
  live.layouts = report.layouts;
  isFresh = true;
  const opened = opening.shift();
  afterOpening = opening.length === 0 ? opened?.then : undefined;
  for (const history of histories) history.clear();
  for (const moving of tokens) moving.clear();
}

function takeFilm({ films: shown }: ReportOf<'film'>): void {
  films.value = shown;
  isFilming.value = false;
  layouts.value = shown.map(({ layout }) => layout);
  // The machine lets go of the frame as well: its story would come back behind the film with nothing that is followed.
  if (followed.value !== undefined) follow(followed.value.machine, undefined);
  for (const moving of tokens) moving.clear();
  filmAt.value = 0;
  showPicture(0);
  isFilmPlaying.value = !prefersStillness();
  announcement.value = shown
    .map(({ attack: name, approach, verdict }) => `${name} on ${approach}: ${verdict}.`)
    .join(' ');
}

function takeState(report: ReportOf<'state'>): void {
  const isBack = report.position.atNs < (live.position?.atNs ?? 0); // 0: nothing lies before the first state
  live.machines = report.machines;
  live.position = report.position;
  activity.value = report.activity;
  if (film.value !== undefined) return;
  drawn.value = report.machines;
  for (const [index, state] of report.machines.entries()) {
    if (isBack) histories[index]?.cut(report.position.atNs);
    // On the way to a place it looks like nothing that the reader has asked for.
    if (report.activity !== 'replaying') histories[index]?.add(state.snapshot, isStill(report));
    tokens[index]?.add(state.entries);
  }
  takeFigures(report, isBack || isFresh);
  announceRefusals(report.machines, isStill(report));
  if (!isFresh) return;
  isFresh = false;
  const then = afterOpening;
  afterOpening = undefined;
  if (then !== undefined) queueMicrotask(then);
}

const REFUSALS: ReadonlySet<EntryKind> = new Set(['refused', 'denied', 'fault']);
/** Least time between two refusals that a screen reader is told of while the machine runs, ms. */
const REFUSAL_MS = 3000;
let refusalMs = Number.NEGATIVE_INFINITY;

/** What turns red on the picture is said as well: which gate, which rule, which byte. */
function announceRefusals(states: readonly Pick<MachineState, 'entries'>[], isLast: boolean): void {
  const refusal = states.flatMap(({ entries }) => entries).findLast(({ kind }) => REFUSALS.has(kind));
  const nowMs = readerNowMs();
  if (refusal === undefined || (!isLast && nowMs - refusalMs < REFUSAL_MS)) return;
  refusalMs = nowMs;
  announcement.value = refusal.text;
}

/** Whether no other state follows by itself. */
function isStill({ activity: now }: ReportOf<'state'>): boolean {
  return now === 'paused' || now === 'ended';
}

/** What is to be read, unless it has changed a moment ago and will change again. */
function takeFigures(report: ReportOf<'state'>, isOther: boolean): void {
  const nowMs = readerNowMs();
  if (!isStill(report) && !isOther && nowMs - figuresMs < FIGURES_MS) return;
  figuresMs = nowMs;
  position.value = report.position;
  replayed.value = report.replayed;
  served.value = report.served;
  machines.value = report.machines;
  story.value = followed.value === undefined ? undefined : report.story;
  if (report.details !== undefined) details.value = report.details;
}

function takeRefusal({ request: refused, message: why }: ReportOf<'refused'>): void {
  if (refused === 'attack' || refused === 'attack-here') isFilming.value = false;
  if (refused === 'open') opening.shift();
  // Refused as the page was opened: it begins as one whose link says nothing.
  const isEmpty = layouts.value.length === 0 && opening.length === 0;
  if (refused === 'open' && isEmpty && !isServed.value) open(plans.value);
  message.value = why;
  announcement.value = why;
}
