import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { RELEASING } from '../memory-map.js';
import { drawn } from './store.js';
import { ownerPaint, paint, paintsForgotten } from './theme.js';

/** Side of a page and the gap beside it, px. */
export const CELL = 13;
export const GAP = 3;
const STEP = CELL + GAP;

interface MemoryBlockProps {
  readonly machine: number;
  /** Place of the first page in what the machine says of its pages. */
  readonly first: number;
  readonly pages: readonly number[];
  readonly label: string;
  readonly onPage: (page: number) => void;
}

/** Pages as squares: the fill is the owner's colour, strong while the page is pinned. A click looks at one. */
export function MemoryBlock({ machine, first, pages, label, onPage }: MemoryBlockProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const cells = new Cells(element, pages.length);
    const paintNow = () => {
      const { value: paints } = paintsForgotten;
      const state = drawn.value[machine];
      if (state === undefined) return;
      const end = first + pages.length;
      cells.draw(state.owners.subarray(first, end), state.pins.subarray(first, end), paints);
    };
    const observer = new ResizeObserver(() => {
      cells.forget();
      paintNow();
    });
    observer.observe(element.parentElement ?? element);
    // With every state and not with every rendering: what is written beside it changes less often.
    const ignore = effect(paintNow);
    return () => {
      ignore();
      observer.disconnect();
    };
  }, [machine, first, pages]);
  return (
    <button
      type="button"
      class="pages"
      aria-label={label}
      onClick={(event) => {
        // A click by keyboard has no place: it looks at the first page.
        const isPlaced = event.detail > 0;
        const at = isPlaced ? cellAt(event.currentTarget, event.offsetX, event.offsetY) : 0;
        const page = pages[at];
        if (page !== undefined) onPage(page);
      }}
    >
      <canvas ref={canvas} data-pages={pages.join(' ')} />
    </button>
  );
}

/** Squares in a row of a block that is so wide. */
export function cellsPerRow(widthPx: number): number {
  return Math.max(1, Math.floor((widthPx + GAP) / STEP));
}

/** Where the square of an index is, px from the block's corner to the middle of it. */
export function cellCentre(index: number, perRow: number): { x: number; y: number } {
  return { x: (index % perRow) * STEP + CELL / 2, y: Math.floor(index / perRow) * STEP + CELL / 2 };
}

function cellAt(canvas: HTMLElement, x: number, y: number): number {
  const perRow = cellsPerRow(canvas.clientWidth);
  const column = Math.floor(x / STEP);
  return column < perRow ? Math.floor(y / STEP) * perRow + column : -1;
}

/** What a cell was painted as that has not been painted. */
const UNPAINTED = -1;

/** Paints the squares of a block: those that have changed since the last time. */
class Cells {
  readonly #canvas: HTMLCanvasElement;
  /** Owner and pins of each square as it was painted, in one number. */
  readonly #painted: Int32Array;
  #widthPx = 0;
  #perRow = 1;
  #paints = UNPAINTED;

  constructor(canvas: HTMLCanvasElement, count: number) {
    this.#canvas = canvas;
    this.#painted = new Int32Array(count);
  }

  /** The block may have another width by now. */
  forget(): void {
    this.#widthPx = 0;
  }

  /** @param paints says how often the colours have changed */
  draw(owners: Int16Array, pins: Uint8Array, paints: number): void {
    const context = this.#canvas.getContext('2d');
    if (context === null || !this.#fit(context, paints)) return;
    const alarm = paint('var(--alarm)');
    for (let index = 0; index < this.#painted.length; index += 1) {
      // 0: pins of a page that is newer than the last state.
      const pin = pins[index] ?? 0;
      const owner = owners[index] ?? -1;
      const painted = (owner + 1) * 256 + pin;
      if (this.#painted[index] === painted) continue;
      this.#painted[index] = painted;
      const { x, y } = cellCentre(index, this.#perRow);
      paintCell(context, x - CELL / 2, y - CELL / 2, ownerPaint(owner), pin, alarm);
    }
  }

  /** Gives the canvas the size that its block has now; false while it has none. */
  #fit(context: CanvasRenderingContext2D, paints: number): boolean {
    const canvas = this.#canvas;
    if (this.#widthPx > 0 && paints === this.#paints) return true;
    const width = canvas.parentElement?.clientWidth ?? 0;
    if (width === 0) return false;
    this.#widthPx = width;
    this.#paints = paints;
    this.#painted.fill(UNPAINTED);
    this.#perRow = cellsPerRow(width);
    const scale = devicePixelRatio;
    const height = Math.ceil(this.#painted.length / this.#perRow) * STEP - GAP;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    return true;
  }
}

/** Strong while the page is pinned, with a red edge while its owner has released it. */
function paintCell(
  context: CanvasRenderingContext2D,
  left: number,
  top: number,
  colour: string,
  pin: number,
  alarm: string,
): void {
  context.clearRect(left - 1, top - 1, CELL + 2, CELL + 2);
  context.fillStyle = colour;
  context.globalAlpha = pin > 0 ? 1 : 0.32;
  context.beginPath();
  context.roundRect(left, top, CELL, CELL, 2);
  context.fill();
  context.globalAlpha = 1;
  if ((pin & RELEASING) === 0) return;
  context.strokeStyle = alarm;
  context.strokeRect(left + 0.5, top + 0.5, CELL - 1, CELL - 1);
}
