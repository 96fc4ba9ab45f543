import fc from 'fast-check';
import type { Share } from '../discipline.js';
import { burst, frameBytes } from './arbitraries.js';
import type { VirtualLink } from './virtual-link.js';

/** One step of a script. The link is both the model and the system: it holds the queues, and knows the laws. */
export type LinkCommand = fc.Command<VirtualLink, VirtualLink>;

/** Frames arrive for a context that takes part. */
export class Arrive implements LinkCommand {
  readonly context: number;
  readonly frames: readonly number[];

  constructor(context: number, frames: readonly number[]) {
    this.context = context;
    this.frames = frames;
  }

  check(link: Readonly<VirtualLink>): boolean {
    return link.isMember(this.context);
  }

  run(_model: VirtualLink, link: VirtualLink): void {
    for (const bytes of this.frames) link.arrive(this.context, bytes);
  }

  toString(): string {
    return `Arrive(${this.context}: ${this.frames.join(' ')})`;
  }
}

/** The link takes some frames, back to back. */
export class Serve implements LinkCommand {
  readonly frames: number;

  constructor(frames: number) {
    this.frames = frames;
  }

  check(link: Readonly<VirtualLink>): boolean {
    return link.backlogged > 0;
  }

  run(_model: VirtualLink, link: VirtualLink): void {
    for (let count = 0; count < this.frames && link.serve(); count += 1);
  }

  toString(): string {
    return `Serve(${this.frames})`;
  }
}

/** A context sends single frames and is idle between them while the others continue: this would accumulate savings. */
export class ComeAndGo implements LinkCommand {
  readonly context: number;
  readonly bytes: number;
  readonly times: number;

  constructor(context: number, bytes: number, times: number) {
    this.context = context;
    this.bytes = bytes;
    this.times = times;
  }

  check(link: Readonly<VirtualLink>): boolean {
    return link.isMember(this.context);
  }

  run(_model: VirtualLink, link: VirtualLink): void {
    for (let time = 0; time < this.times; time += 1) {
      link.arrive(this.context, this.bytes);
      // Not for ever: the discipline may starve it, and other laws are to detect that.
      for (let count = 0; count < 50 && link.isBacklogged(this.context); count += 1) link.serve();
    }
  }

  toString(): string {
    return `ComeAndGo(${this.context}: ${this.times} x ${this.bytes})`;
  }
}

/** A frame arrives between `select` and `served`, as from inside a completion callback. */
export class ServeWhileArriving implements LinkCommand {
  readonly context: number;
  readonly bytes: number;

  constructor(context: number, bytes: number) {
    this.context = context;
    this.bytes = bytes;
  }

  check(link: Readonly<VirtualLink>): boolean {
    return link.backlogged > 0 && link.isMember(this.context);
  }

  run(_model: VirtualLink, link: VirtualLink): void {
    link.serve(() => link.arrive(this.context, this.bytes));
  }

  toString(): string {
    return `ServeWhileArriving(${this.context}: ${this.bytes})`;
  }
}

/** Time passes; the link sends, and idles when nothing waits. */
export class Pass implements LinkCommand {
  readonly durationNs: number;

  constructor(durationNs: number) {
    this.durationNs = durationNs;
  }

  check(): boolean {
    return true;
  }

  run(_model: VirtualLink, link: VirtualLink): void {
    link.pass(this.durationNs);
  }

  toString(): string {
    return `Pass(${this.durationNs} ns)`;
  }
}

/** A command that is for a context with a frame waiting. */
abstract class OfBacklogged implements LinkCommand {
  readonly context: number;

  constructor(context: number) {
    this.context = context;
  }

  check(link: Readonly<VirtualLink>): boolean {
    return link.isBacklogged(this.context);
  }

  abstract run(model: VirtualLink, link: VirtualLink): void;

  abstract toString(): string;
}

/** Redundant doorbells and calls of `select`, which must not matter. */
export class Needless extends OfBacklogged {
  run(_model: VirtualLink, link: VirtualLink): void {
    link.ask();
    link.ringAgain(this.context);
    link.ask();
  }

  toString(): string {
    return `Needless(${this.context})`;
  }
}

/** A context loses its backlog: it faulted or was revoked. */
export class Withdraw extends OfBacklogged {
  run(_model: VirtualLink, link: VirtualLink): void {
    link.withdraw(this.context);
  }

  toString(): string {
    return `Withdraw(${this.context})`;
  }
}

/** A context joins, or leaves if it takes part. */
export class JoinOrLeave implements LinkCommand {
  readonly context: number;
  readonly share: Share;

  constructor(context: number, share: Share) {
    this.context = context;
    this.share = share;
  }

  check(): boolean {
    return true;
  }

  run(_model: VirtualLink, link: VirtualLink): void {
    if (link.isMember(this.context)) link.leave(this.context);
    else link.join(this.context, this.share);
  }

  toString(): string {
    return `JoinOrLeave(${this.context}, weight ${this.share.weight})`;
  }
}

/** How scripts are generated. */
export interface ScriptOptions {
  /** Most steps. @defaultValue 60 */
  readonly maxCommands?: number;
  /** Whether contexts join, leave and lose their backlog during a script. @defaultValue true */
  readonly churn?: boolean;
  /** Whether frames arrive between `select` and `served`. @defaultValue true */
  readonly reentry?: boolean;
}

/** Scripts for contexts with these shares, which have joined in this order. */
export function linkCommands(
  shares: readonly Share[],
  { maxCommands = 60, churn = true, reentry = true }: ScriptOptions = {},
): fc.Arbitrary<Iterable<LinkCommand>> {
  const context = fc.nat({ max: shares.length - 1 });
  const arrive = fc.tuple(context, burst()).map(([who, frames]) => new Arrive(who, frames));
  const steady = [
    // Three of eleven: a link that is mostly backlogged shows more than one that mostly idles.
    arrive,
    arrive,
    arrive,
    fc.integer({ min: 1, max: 60 }).map((frames) => new Serve(frames)),
    fc
      .tuple(context, frameBytes(), fc.integer({ min: 2, max: 12 }))
      .map(([who, bytes, times]) => new ComeAndGo(who, bytes, times)),
    fc.integer({ min: 0, max: 400_000 }).map((durationNs) => new Pass(durationNs)),
    context.map((who) => new Needless(who)),
  ];
  const reentrant = [
    fc.tuple(context, frameBytes()).map(([who, bytes]) => new ServeWhileArriving(who, bytes)),
  ];
  const coming = [
    context.map((who) => new Withdraw(who)),
    context.map((who) => new JoinOrLeave(who, shares[who] ?? { weight: 1 })),
  ];
  const kinds = [...steady, ...(reentry ? reentrant : []), ...(churn ? coming : [])];
  // fast-check keeps scripts short unless told otherwise, and short ones never share a link for long.
  return fc.commands<VirtualLink, VirtualLink>(kinds, { maxCommands, size: 'max' });
}
