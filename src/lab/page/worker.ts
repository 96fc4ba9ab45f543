import type { Report, Request } from '../protocol.js';
import { LabSession } from '../session.js';

/** Version of the package, put here when the page is built. */
declare const __LAB_VERSION__: string;

/** What this file uses of the global scope of a Web Worker. */
interface WorkerScope {
  onmessage: ((event: { readonly data: Request }) => void) | null;
  postMessage(report: Report): void;
}

const scope = globalThis as unknown as WorkerScope;

/** Longest time that a turn takes before requests are looked at again, ms. */
const TURN_MS = 8;

const session = new LabSession((report) => scope.postMessage(report), __LAB_VERSION__);
const channel = new MessageChannel();
let isScheduled = false;
let lastMs = performance.now();

/**
 * Asks for a turn: at a pace by the clock, else as soon as the requests that wait have been taken (a timer would wait
 * 4 ms each time).
 */
function schedule(): void {
  if (isScheduled) return;
  isScheduled = true;
  if (session.isPaced) setTimeout(turn, TURN_MS);
  else channel.port2.postMessage(0);
}

/** False when the work failed: the machine is then left as it is until another is opened. */
function guarded(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    scope.postMessage({ kind: 'failed', message });
    return false;
  }
}

function turn(): void {
  isScheduled = false;
  const nowMs = performance.now();
  const elapsedMs = nowMs - lastMs;
  lastMs = nowMs;
  const goesOn = guarded(() => session.turn(elapsedMs, () => performance.now() - nowMs > TURN_MS));
  if (goesOn && session.busy) schedule();
}

channel.port1.onmessage = turn;

scope.onmessage = ({ data }) => {
  if (!session.busy) lastMs = performance.now();
  guarded(() => session.request(data));
  schedule();
};
