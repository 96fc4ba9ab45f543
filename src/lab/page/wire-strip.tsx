import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { drawn, tokens } from './store.js';
import { ownerPaint, paint, paintsForgotten } from './theme.js';

/** Frames on the wire, the last one at the right, as long as they are; each in the colour of its sender. */
export function WireStrip({ index }: { index: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    const moving = tokens[index];
    if (element === null || moving === undefined) return undefined;
    let painted = '';
    return effect(() => {
      drawn.value;
      // Most states of a fast machine bring no frame that is shown one by one.
      const now = `${moving.framesVersion} ${element.clientWidth} ${paintsForgotten.value}`;
      if (now === painted) return;
      painted = now;
      draw(element, moving.frames);
    });
  }, [index]);
  return (
    <span class="strip" aria-hidden="true">
      <canvas ref={canvas} />
    </span>
  );
}

/** Length of a frame of 1,514 bytes, px. */
const FRAME_PX = 46;
const HEIGHT = 16;

function draw(canvas: HTMLCanvasElement, frames: readonly { column: number; bytes: number }[]): void {
  const scale = devicePixelRatio;
  const width = canvas.clientWidth;
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = HEIGHT * scale;
  }
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, HEIGHT);
  context.fillStyle = paint('var(--grid)');
  context.fillRect(0, HEIGHT / 2 - 1, width, 2);
  let right = width - 2;
  for (let at = frames.length - 1; at >= 0 && right > 0; at -= 1) {
    const frame = frames[at];
    if (frame === undefined) continue;
    const length = Math.max(4, (frame.bytes / 1514) * FRAME_PX);
    context.fillStyle = ownerPaint(frame.column);
    context.beginPath();
    context.roundRect(right - length, 2, length, HEIGHT - 4, 3);
    context.fill();
    right -= length + 2;
  }
}
