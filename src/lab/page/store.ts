import { batch, computed, signal } from '@preact/signals';
import type { FrameStory } from '../frame-story.js';
import type { Details, Subject } from '../inspect.js';
import type { Position } from '../lab-machine.js';
import type { LabPlan } from '../plan.js';
import { presetOf } from '../presets.js';
import type {
  Activity,
  CaptureFile,
  MachineLayout,
  MachineState,
  Report,
  Request,
  StepUnit,
} from '../protocol.js';
import { PROTOCOL_VERSION } from '../protocol.js';
import { History } from './history.js';
import { Tokens } from './tokens.js';

/** Panels beside the picture. */
export const PANELS = ['knobs', 'look'] as const;
export type Panel = (typeof PANELS)[number];

const first = presetOf('three-guests');

/** The plan of each machine; two run side by side. */
export const plans = signal<readonly LabPlan[]>([
  { scenario: first?.scenario ?? { guests: [{}] }, approach: 'cdna', discipline: 'drr', seed: 1 },
]);
export const layouts = signal<readonly MachineLayout[]>([]);
export const machines = signal<readonly MachineState[]>([]);
export const position = signal<Position>({ atNs: 0, events: 0 });
export const activity = signal<Activity>('paused');
export const replayed = signal<number | undefined>(undefined);
export const story = signal<FrameStory | undefined>(undefined);
export const details = signal<Details | undefined>(undefined);
export const subject = signal<{ readonly machine: number; readonly subject: Subject } | undefined>(undefined);
export const followed = signal<{ readonly machine: number; readonly column: number } | undefined>(undefined);
export const paceNs = signal<number | null>(50_000);
export const panel = signal<Panel>('knobs');
export const message = signal<string | undefined>(undefined);
/** What a screen reader is told: one sentence per thing that the reader has done. */
export const announcement = signal('');
export const theme = signal<'auto' | 'light' | 'dark'>('auto');
export const captures = signal<readonly CaptureFile[]>([]);

export const isPlaying = computed(() => activity.value === 'playing');
export const isBusy = computed(() => activity.value === 'replaying' || activity.value === 'seeking');

/** What the plots show, per machine. */
export const histories: readonly [History, History] = [new History(), new History()];
/** What moves on the picture, per machine. */
export const tokens: readonly [Tokens, Tokens] = [new Tokens(), new Tokens()];

let send: (request: Request) => void = () => undefined;

/** The way to the machine. */
export function connect(to: (request: Request) => void): void {
  send = to;
}

/** Builds the machines anew at time 0, or takes them to a position. */
export function open(next: readonly LabPlan[], to?: Position): void {
  send({
    kind: 'open',
    version: PROTOCOL_VERSION,
    plans: next,
    ...(to === undefined ? {} : { to }),
    ...(captures.value.length === 0 ? {} : { captures: captures.value }),
  });
}

export function play(): void {
  if (activity.value === 'ended') go({ atNs: 0, events: 0 });
  send({ kind: 'play', paceNs: paceNs.value });
}

export function pause(): void {
  send({ kind: 'pause' });
}

export function toggle(): void {
  if (isPlaying.value || activity.value === 'seeking') pause();
  else play();
}

export function setPace(next: number | null): void {
  paceNs.value = next;
  if (isPlaying.value) send({ kind: 'play', paceNs: next });
}

export function step(unit: StepUnit): void {
  if (isPlaying.value) pause();
  send({ kind: 'step', unit });
  announcement.value = `To the next ${unit}.`;
}

export function back(unit: StepUnit): void {
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

export function follow(machine: number, column: number | undefined): void {
  followed.value = column === undefined ? undefined : { machine, column };
  story.value = undefined;
  send({ kind: 'follow', machine, ...(column === undefined ? {} : { column }) });
}

/** Changes plans: what decides the run from its first event on. The machines start anew, with the same seed. */
export function replan(change: (plan: LabPlan, machine: number) => LabPlan): void {
  const wasPlaying = isPlaying.value;
  open(plans.value.map(change));
  if (wasPlaying) send({ kind: 'play', paceNs: paceNs.value });
}

export function request(other: Request): void {
  send(other);
}

/** Takes what the machine reports. */
export function take(report: Report): void {
  batch(() => {
    switch (report.kind) {
      case 'opened':
        plans.value = report.plans;
        layouts.value = report.layouts;
        message.value = undefined;
        for (const history of histories) history.clear();
        for (const moving of tokens) moving.clear();
        break;
      case 'layout':
        layouts.value = report.layouts;
        break;
      case 'state': {
        const isBack = report.position.atNs < position.value.atNs;
        activity.value = report.activity;
        position.value = report.position;
        machines.value = report.machines;
        replayed.value = report.replayed;
        story.value = report.story;
        if (report.details !== undefined) details.value = report.details;
        for (const [index, state] of report.machines.entries()) {
          if (isBack) histories[index]?.cut(report.position.atNs);
          histories[index]?.add(state.snapshot);
          tokens[index]?.add(state.entries);
        }
        break;
      }
      case 'changed':
        plans.value = report.plans;
        break;
      case 'refused':
        message.value = report.message;
        announcement.value = report.message;
        break;
      case 'failed':
        message.value = `The machine stopped: ${report.message}`;
        break;
      default:
        break;
    }
  });
}
