import type { Report, Request } from '../protocol.js';

/** Starts the machine in a worker: one of its own file, or, where all is one file, of the text that the page carries. */
export function startWorker(onReport: (report: Report) => void): (request: Request) => void {
  const carried = document.getElementById('lab-worker')?.textContent;
  const worker =
    carried === undefined || carried === null || carried === ''
      ? new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
      : new Worker(URL.createObjectURL(new Blob([carried], { type: 'text/javascript' })));
  worker.onmessage = ({ data }: MessageEvent<Report>) => onReport(data);
  worker.onerror = ({ message }) => onReport({ kind: 'failed', message });
  return (request) => worker.postMessage(request);
}
