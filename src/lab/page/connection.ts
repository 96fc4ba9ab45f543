import type { Report, Request } from '../protocol.js';
import { type Send, SessionPair } from '../session-pair.js';
import { readerNowMs } from './reader-clock.js';

/** Starts the machine, and a second one behind it when going back would take long. */
export function startMachines(onReport: (report: Report) => void): Send {
  const pair = new SessionPair(startWorker, onReport, readerNowMs);
  return (request: Request) => pair.request(request);
}

/** Starts a session in a worker: one of its own file, or, where all is one file, of the text that the page carries. */
function startWorker(onReport: (report: Report) => void): Send {
  const carried = document.getElementById('lab-worker')?.textContent;
  const worker =
    carried === undefined || carried === null || carried === ''
      ? new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
      : new Worker(URL.createObjectURL(new Blob([carried], { type: 'text/javascript' })));
  worker.onmessage = ({ data }: MessageEvent<Report>) => onReport(data);
  worker.onerror = ({ message }) => onReport({ kind: 'failed', message });
  return (request) => worker.postMessage(request);
}
