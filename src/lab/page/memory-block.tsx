import { useEffect, useRef } from 'preact/hooks';
import { RELEASING } from '../memory-map.js';
import { ownerPaint, paint } from './theme.js';

/** Side of a page and the gap beside it, px. */
export const CELL = 13;
export const GAP = 3;
const STEP = CELL + GAP;

interface MemoryBlockProps {
  readonly pages: readonly number[];
  readonly owners: Int16Array;
  readonly pins: Uint8Array;
  readonly label: string;
  readonly onPage: (page: number) => void;
}

/** Pages as squares: the fill is the owner's colour, strong while the page is pinned. A click looks at one. */
export function MemoryBlock({ pages, owners, pins, label, onPage }: MemoryBlockProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (canvas.current !== null) draw(canvas.current, pages, owners, pins);
  });
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

function draw(
  canvas: HTMLCanvasElement,
  pages: readonly number[],
  owners: Int16Array,
  pins: Uint8Array,
): void {
  const scale = devicePixelRatio;
  const width = canvas.parentElement?.clientWidth ?? 0;
  if (width === 0) return;
  const perRow = cellsPerRow(width);
  const height = Math.ceil(pages.length / perRow) * STEP - GAP;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const alarm = paint('var(--alarm)');
  for (let index = 0; index < pages.length; index += 1) {
    const { x, y } = cellCentre(index, perRow);
    // 0: pins of a page that is newer than the last snapshot.
    const pin = pins[index] ?? 0;
    const left = x - CELL / 2;
    const top = y - CELL / 2;
    context.fillStyle = ownerPaint(owners[index] ?? -1);
    context.globalAlpha = pin > 0 ? 1 : 0.32;
    context.beginPath();
    context.roundRect(left, top, CELL, CELL, 2);
    context.fill();
    context.globalAlpha = 1;
    if ((pin & RELEASING) !== 0) {
      context.strokeStyle = alarm;
      context.strokeRect(left + 0.5, top + 0.5, CELL - 1, CELL - 1);
    }
  }
}
