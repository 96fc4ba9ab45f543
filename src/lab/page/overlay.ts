import { effect } from '@preact/signals';
import type { EntryKind } from '../journal.js';
import { CELL, cellCentre, cellsPerRow } from './memory-block.js';
import { drawn, film, followed, isFilmPlaying, isPlaying, latestPoint, story, tokens } from './store.js';
import { ownerPaint, paint, paintsForgotten, prefersStillness } from './theme.js';
import { type PulseLook, pulseLook, tokenLook } from './token-look.js';
import type { Token } from './tokens.js';

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Things that end at a gate, seen in red. */
const REFUSED: ReadonlySet<EntryKind> = new Set(['denied', 'refused']);

/**
 * What moves over a picture: descriptors, payload, doorbells, interrupts. One canvas, drawn once per frame of the
 * screen and only while something moves; where the parts of the picture are is measured when the layout changes.
 */
export class Overlay {
  readonly #stack: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #index: number;
  readonly #observer: ResizeObserver;
  readonly #anchors = new Map<string, Box>();
  readonly #pages = new Map<number, Point>();
  readonly #ignore: () => void;
  /** The frame of the screen that was asked for, or 0. */
  #request = 0;
  #isBlank = true;

  constructor(stack: HTMLElement, index: number) {
    this.#stack = stack;
    this.#index = index;
    this.#canvas = document.createElement('canvas');
    this.#canvas.className = 'overlay';
    this.#canvas.setAttribute('aria-hidden', 'true');
    stack.append(this.#canvas);
    this.#observer = new ResizeObserver(() => this.measure());
    this.#observer.observe(stack);
    // All that decides what is drawn: whatever begins to move comes with a state of the machine.
    this.#ignore = effect(() => {
      for (const shown of [drawn, story, followed, film, isPlaying, isFilmPlaying, paintsForgotten])
        shown.value;
      this.#wake();
    });
  }

  close(): void {
    this.#ignore();
    cancelAnimationFrame(this.#request);
    this.#observer.disconnect();
    this.#canvas.remove();
  }

  /** Finds out where everything is. */
  measure(): void {
    const origin = this.#stack.getBoundingClientRect();
    const box = (element: Element): Box => {
      const { left, top, width, height } = element.getBoundingClientRect();
      return { left: left - origin.left, top: top - origin.top, width, height };
    };
    this.#anchors.clear();
    this.#pages.clear();
    for (const element of this.#stack.querySelectorAll<HTMLElement>('[data-anchor]')) {
      this.#anchors.set(element.dataset.anchor ?? '', box(element));
    }
    for (const canvas of this.#stack.querySelectorAll<HTMLCanvasElement>('canvas[data-pages]')) {
      const { left, top, width } = box(canvas);
      const perRow = cellsPerRow(width);
      for (const [index, page] of (canvas.dataset.pages ?? '').split(' ').entries()) {
        const { x, y } = cellCentre(index, perRow);
        this.#pages.set(Number(page), { x: left + x, y: top + y });
      }
    }
    const scale = devicePixelRatio;
    this.#canvas.width = Math.round(origin.width * scale);
    this.#canvas.height = Math.round(origin.height * scale);
    this.#wake();
  }

  /** Draws with the next frame of the screen, and on from there while something moves. */
  #wake(): void {
    if (this.#request !== 0) return;
    this.#request = requestAnimationFrame((nowMs) => {
      this.#request = 0;
      if (this.#draw(nowMs)) this.#wake();
    });
  }

  /** Whether what was drawn moves. */
  #draw(nowMs: number): boolean {
    const moving = tokens[this.#index]?.at(nowMs) ?? [];
    const context = this.#canvas.getContext('2d');
    if (context === null) return false;
    const scale = devicePixelRatio;
    const still = prefersStillness();
    if (!this.#isBlank) context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#isBlank = true;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const isRunning = film.value === undefined ? isPlaying.value : isFilmPlaying.value;
    const isFlowing = this.#drawFlows(context, still ? 0 : nowMs) && isRunning && !still;
    this.#drawStory(context);
    for (const token of moving) {
      const share = (nowMs - token.startMs) / (token.endMs - token.startMs);
      if (share < 0 || share > 1) continue;
      this.#isBlank = false;
      this.#drawToken(context, token, share, still);
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    return isFlowing || moving.length > 0;
  }

  /** Traffic that is too fast to be followed: a line per guest, as wide as its rate. False when there is none. */
  #drawFlows(context: CanvasRenderingContext2D, nowMs: number): boolean {
    const guests = drawn.value[this.#index]?.snapshot.guests ?? [];
    const latest = latestPoint(this.#index);
    if (latest === undefined) return false;
    const total = latest.sentMbps.reduce((sum, rate) => sum + rate, 0);
    if (total <= 0) return false;
    for (const [at, { column }] of guests.entries()) {
      // 0: the guest is newer than the last point of the history.
      const rate = latest.sentMbps[at] ?? 0;
      const from = this.#anchors.get(`memory-${column}`);
      const to = this.#anchors.get(`context-${column}`);
      if (from === undefined || to === undefined || rate <= 0) continue;
      this.#isBlank = false;
      const x = to.left + to.width / 2;
      context.strokeStyle = ownerPaint(column);
      context.globalAlpha = 0.35;
      context.lineWidth = 1 + 7 * (rate / total);
      context.setLineDash([5, 7]);
      context.lineDashOffset = -(nowMs / 1000) * (8 + 40 * (rate / total));
      line(context, { x, y: from.top + from.height }, { x, y: to.top });
      const wire = this.#anchors.get('wire');
      if (wire !== undefined)
        line(context, { x, y: to.top + to.height }, { x, y: wire.top + wire.height / 2 });
      context.setLineDash([]);
      context.globalAlpha = 1;
    }
    return true;
  }

  /** The page that the last step of a followed frame is about. */
  #drawStory(context: CanvasRenderingContext2D): void {
    if (followed.value?.machine !== this.#index) return;
    const step = story.value?.steps.at(-1);
    const at = step === undefined ? undefined : this.#pages.get(step.page);
    if (at === undefined) return;
    this.#isBlank = false;
    context.strokeStyle = paint('var(--ink)');
    context.lineWidth = 2;
    context.strokeRect(at.x - CELL / 2 - 2.5, at.y - CELL / 2 - 2.5, CELL + 5, CELL + 5);
  }

  #drawToken(context: CanvasRenderingContext2D, token: Token, share: number, still: boolean): void {
    const { kind, column } = token;
    const isRefused = REFUSED.has(kind);
    const path = this.#pathOf(token);
    if (path.length === 0) return;
    const colour =
      isRefused || kind === 'fault' || kind === 'drop' ? paint('var(--alarm)') : ownerPaint(column);
    if (path.length === 1) {
      drawPulse(context, path[0] ?? { x: 0, y: 0 }, colour, pulseLook(share, still));
      return;
    }
    const { travelled, alpha } = tokenLook(share, isRefused, still);
    const { x, y } = along(path, travelled);
    context.globalAlpha = alpha;
    context.fillStyle = colour;
    context.strokeStyle = paint('var(--paper)');
    context.lineWidth = 1.5;
    const size = sizeOf(kind, token.bytes);
    context.beginPath();
    if (kind === 'doorbell' || kind === 'interrupt' || kind === 'vector')
      context.arc(x, y, size, 0, 2 * Math.PI);
    else context.roundRect(x - size, y - size * 0.7, size * 2, size * 1.4, 2);
    context.fill();
    context.stroke();
    if (isRefused && travelled === 1) cross(context, { x, y }, colour);
    context.globalAlpha = 1;
  }

  /** From where to where a thing moves; one point for something that happens in one place. */
  #pathOf({ kind, column, page }: Token): Point[] {
    const domain = this.#anchors.get(`domain-${column}`);
    const context = this.#anchors.get(`context-${column}`) ?? this.#anchors.get('card');
    const memory = this.#anchors.get(`memory-${column}`);
    const card = this.#anchors.get('card');
    const hypervisor = this.#anchors.get('domain-0');
    const wire = this.#anchors.get('wire');
    if (domain === undefined || context === undefined || memory === undefined) return [];
    const cell = this.#pages.get(page) ?? {
      x: memory.left + memory.width / 2,
      y: memory.top + memory.height / 2,
    };
    const lane = domain.left + domain.width - 7;
    const middle = context.left + context.width / 2;
    switch (kind) {
      case 'set-up':
        return [bottom(domain), { x: bottom(domain).x, y: (bottom(domain).y + memory.top) / 2 }, cell];
      case 'refused':
        return [bottom(domain), this.#onGate('set-up', bottom(domain).x)];
      case 'doorbell':
        return [
          { x: lane, y: domain.top + domain.height },
          { x: lane, y: context.top + 4 },
        ];
      case 'fetch':
      case 'read':
        return [cell, { x: middle, y: context.top - 24 }, { x: middle, y: context.top + 6 }];
      case 'write':
      case 'status':
        return [{ x: middle, y: context.top }, { x: middle, y: context.top - 24 }, cell];
      case 'vector':
        return card === undefined ? [] : [top(card), cell];
      case 'denied':
        return [{ x: middle, y: context.top }, this.#onGate('access', middle)];
      case 'interrupt':
        return card === undefined || hypervisor === undefined
          ? []
          : [
              { x: card.left + 8, y: card.top },
              { x: card.left + 8, y: hypervisor.top + hypervisor.height },
            ];
      case 'sent':
        return wire === undefined
          ? []
          : [
              bottom(context),
              { x: middle, y: wire.top + wire.height / 2 },
              { x: wire.left + wire.width - 110, y: wire.top + wire.height / 2 },
            ];
      case 'received':
        return [cell, bottom(domain)];
      case 'switched':
      case 'grant':
      case 'drop':
      case 'fault':
        return [{ x: middle, y: context.top + context.height / 2 }];
      default:
        return [];
    }
  }

  #onGate(gate: 'set-up' | 'access', x: number): Point {
    const box = this.#anchors.get(gate);
    return box === undefined ? { x, y: 0 } : { x, y: box.top + box.height / 2 };
  }
}

function bottom({ left, top: y, width, height }: Box): Point {
  return { x: left + width / 2, y: y + height };
}

function top({ left, top: y, width }: Box): Point {
  return { x: left + width / 2, y };
}

function sizeOf(kind: EntryKind, bytes: number): number {
  if (kind === 'read' || kind === 'write' || kind === 'sent') return 3.5 + Math.min(5, bytes / 400);
  return kind === 'denied' || kind === 'refused' ? 6 : 4;
}

function along(path: readonly Point[], share: number): Point {
  const lengths = path.slice(1).map((to, index) => distance(path[index] ?? to, to));
  let left = share * lengths.reduce((sum, length) => sum + length, 0);
  for (const [index, length] of lengths.entries()) {
    const from = path[index];
    const to = path[index + 1];
    if (from === undefined || to === undefined) break;
    if (left <= length || index === lengths.length - 1) {
      const part = length === 0 ? 1 : Math.min(1, left / length);
      return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
    }
    left -= length;
  }
  return path.at(-1) ?? { x: 0, y: 0 };
}

function distance(from: Point, to: Point): number {
  return Math.hypot(to.x - from.x, to.y - from.y);
}

function line(context: CanvasRenderingContext2D, from: Point, to: Point): void {
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.lineTo(to.x, to.y);
  context.stroke();
}

function cross(context: CanvasRenderingContext2D, { x, y }: Point, colour: string): void {
  context.strokeStyle = colour;
  context.lineWidth = 3;
  const arm = 11;
  line(context, { x: x - arm, y: y - arm }, { x: x + arm, y: y + arm });
  line(context, { x: x - arm, y: y + arm }, { x: x + arm, y: y - arm });
}

function drawPulse(
  context: CanvasRenderingContext2D,
  { x, y }: Point,
  colour: string,
  { radiusPx, alpha }: PulseLook,
): void {
  context.strokeStyle = colour;
  context.globalAlpha = alpha;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, radiusPx, 0, 2 * Math.PI);
  context.stroke();
  context.globalAlpha = 1;
}
