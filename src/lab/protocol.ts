import type { FaultPolicy } from '../../host/hypervisor/fault-log.js';
import type { Direction } from '../../nic/context.js';
import type { ScenarioInput } from '../scenario/schema.js';
import type { AttackFilm, Cast } from './attack-film.js';
import type { Catalogue } from './catalogue.js';
import type { Details, Subject } from './inspect.js';
import type { Position } from './lab-machine.js';
import type { MachineLayout, MachineState } from './machine-state.js';
import type { LabPlan } from './plan.js';
import type { FrameStory } from './story/frame-story.js';

type ChangeInput = NonNullable<ScenarioInput['changes']>[number];

/**
 * What a front end and a machine say to each other. Plain data that can be cloned or written as JSON (bytes apart), so
 * that the machine may run in a Web Worker, in the same thread, or behind a socket.
 */

/** Version of this protocol; a front end and a machine of different versions refuse each other. */
export const PROTOCOL_VERSION = 4;

/** What a step goes to. */
export const STEP_UNITS = ['event', 'frame', 'fault'] as const;
export type StepUnit = (typeof STEP_UNITS)[number];
/** How many of each have been since the start of the run. */
export type Counts = Readonly<Record<StepUnit, number>>;

/** Files that can be taken out. */
export type Output = 'json' | 'pcapng' | 'perfetto' | 'scenario';

/** A capture that the scenario names, brought by the user. */
export interface CaptureFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Whose time a machine runs by: its own, which a front end moves, or the host's, as with real guests. */
export type Clock = 'own' | 'wall';

/** From the front end. `machine` is 0 or 1 where two run side by side. */
export type Request =
  /** Builds one machine, or two that share seed and traffic, and takes them to a position. */
  | {
      readonly kind: 'open';
      readonly version: number;
      readonly plans: readonly LabPlan[];
      readonly to?: Position;
      readonly captures?: readonly CaptureFile[];
    }
  /** Runs on: so many ns of virtual time per second, or as fast as it can (null). */
  | { readonly kind: 'play'; readonly paceNs: number | null }
  | { readonly kind: 'pause' }
  | { readonly kind: 'step'; readonly unit: StepUnit }
  | { readonly kind: 'back'; readonly unit: StepUnit }
  | { readonly kind: 'go'; readonly to: Position }
  /** Goes to just after the first place at which so many of a unit have been, from the start unless that lies ahead. */
  | {
      readonly kind: 'reach';
      readonly unit: StepUnit;
      readonly count: number;
      /** A position of this run that is known to lie before it, close to it. */
      readonly from?: Position;
    }
  /** Turns a knob while the machine runs: an entry of the scenario's `changes`, at the next free instant. */
  | { readonly kind: 'change'; readonly change: LabChange }
  /** Follows the next frame that a guest sends, or that comes for it; none from now on when the column is absent. */
  | {
      readonly kind: 'follow';
      readonly machine: number;
      readonly column?: number;
      /** Which way the frame goes: transmit when it is absent. */
      readonly way?: Direction;
    }
  /** Looks at something, again with each state; at nothing when the subject is absent. */
  | { readonly kind: 'inspect'; readonly machine: number; readonly subject?: Subject }
  | { readonly kind: 'take-out'; readonly machine: number; readonly output: Output }
  /** Plays an attack of the matrix on a machine of its own. */
  | { readonly kind: 'attack'; readonly attack: string; readonly approach: string; readonly seed: number }
  /** Plays an attack in the run that is shown, at the time at which it stands, on each of its machines. */
  | { readonly kind: 'attack-here'; readonly attack: string; readonly cast: Cast }
  /** Real guests: what becomes of one that faults, from now on. */
  | { readonly kind: 'policy'; readonly policy: FaultPolicy }
  /** Real guests: starts to write down what passes the card, or completes the file. */
  | { readonly kind: 'capture'; readonly on: boolean }
  /** The last state has been drawn: another may be sent. */
  | { readonly kind: 'shown' };

/** An entry of a scenario's `changes` without its time, which is that of the run: one field of a guest, or the wire's rate. */
export type LabChange = Omit<ChangeInput, 'atNs'>;

/** What a session with real guests has besides the machine. */
export interface ServedState {
  readonly policy: FaultPolicy;
  /** Name of the file that what passes the card is written to; absent while it is not. */
  readonly capture?: string;
  /** Of each real guest: the column of its domain, and what its virtual machine is doing. */
  readonly guests: readonly {
    readonly column: number;
    readonly state: 'waiting' | 'attached' | 'running' | 'paused' | 'stopped' | 'killed';
  }[];
}

/** What the session is doing. */
export type Activity = 'paused' | 'playing' | 'seeking' | 'replaying' | 'ended';

/** To the front end. */
export type Report =
  | {
      readonly kind: 'opened';
      readonly version: number;
      readonly clock: Clock;
      readonly catalogue: Catalogue;
      readonly plans: readonly LabPlan[];
      readonly layouts: readonly MachineLayout[];
    }
  | {
      readonly kind: 'state';
      readonly activity: Activity;
      readonly position: Position;
      /** Of the first machine. */
      readonly counts: Counts;
      /** Requests that had been taken, without `shown`: a front end knows by it which of its own this state has seen. */
      readonly requests: number;
      readonly machines: readonly MachineState[];
      readonly story?: FrameStory;
      readonly details?: Details;
      /** Of a session with real guests. */
      readonly served?: ServedState;
      /** How much of a replay is done, 0 to 1. */
      readonly replayed?: number;
    }
  | { readonly kind: 'layout'; readonly layouts: readonly MachineLayout[] }
  /** One film, or one of each of two machines. */
  | { readonly kind: 'film'; readonly films: readonly AttackFilm[] }
  | { readonly kind: 'changed'; readonly plans: readonly LabPlan[] }
  | { readonly kind: 'took-out'; readonly output: Output; readonly name: string; readonly bytes: Uint8Array }
  | { readonly kind: 'refused'; readonly request: Request['kind']; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };
