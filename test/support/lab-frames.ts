import { LabPage } from './lab-page.js';

/** What the page of the lab costs while it draws. */
export interface FrameCost {
  /** Frames of the screen and states of the machine that were drawn, per second of this machine. */
  readonly framesPerSecond: number;
  readonly statesPerSecond: number;
  /** Processor time of the page's main thread per frame, ms. Nothing that a busy machine does beside it counts. */
  readonly frameCpuMs: number;
}

/**
 * Runs in the page, once it has settled: its clock goes on by a sixtieth of a second with each frame of the screen, so that
 * a page on a busy machine does in each frame what it would do in each of sixty per second. States are counted.
 */
const SIXTY_PER_SECOND = `(() => {
  const next = requestAnimationFrame.bind(window);
  const post = Worker.prototype.postMessage;
  window.lab = { frames: 0, states: 0 };
  const startMs = performance.now();
  performance.now = () => startMs + (window.lab.frames * 1000) / 60;
  next(function count() { window.lab.frames += 1; next(count); });
  window.requestAnimationFrame = (work) => next(() => work(performance.now()));
  Worker.prototype.postMessage = function (message) {
    if (message.kind === 'shown') window.lab.states += 1;
    return post.call(this, message);
  };
})()`;

/** Lets the lab of a link run, and measures what its frames cost. */
export async function labFrames(hash: string, seconds: number): Promise<FrameCost> {
  const lab = await LabPage.open(hash, { stillness: false });
  try {
    const { page } = lab;
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    await page.evaluate(SIXTY_PER_SECOND);
    const look = async () => {
      const { metrics } = await session.send('Performance.getMetrics');
      const [frames = 0, states = 0] = (await page.evaluate('[lab.frames, lab.states]')) as number[];
      const cpuS = metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN;
      return { cpuS, frames, states, atMs: performance.now() };
    };
    // What is compiled when it is first used, and memory that grows to its size.
    await page.waitForTimeout(3000);
    const before = await look();
    await page.waitForTimeout(seconds * 1000);
    const after = await look();
    if (lab.problems.length > 0) throw new Error(lab.problems.join('\n'));
    const spanS = (after.atMs - before.atMs) / 1000;
    const frames = after.frames - before.frames;
    return {
      framesPerSecond: frames / spanS,
      statesPerSecond: (after.states - before.states) / spanS,
      frameCpuMs: ((after.cpuS - before.cpuS) * 1000) / frames,
    };
  } finally {
    await lab.close();
  }
}
