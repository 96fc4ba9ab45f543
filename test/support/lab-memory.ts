import type { CDPSession } from 'playwright-core';
import { LabPage } from './lab-page.js';

/** What a page and its worker hold after a collection, MB, and how far the run was. */
export interface MemorySample {
  readonly seconds: number;
  readonly pageMb: number;
  readonly workerMb: number;
  readonly virtualMs: number;
}

const MB = 2 ** 20;

/** A worker of a page, asked over the page's own session of the DevTools protocol. */
class WorkerSession {
  readonly #page: CDPSession;
  readonly #answers = new Map<number, (result: Record<string, number>) => void>();
  #session: string | undefined;
  #asked = 0;

  constructor(page: CDPSession) {
    this.#page = page;
    page.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
      if (targetInfo.type === 'worker') this.#session = sessionId;
    });
    page.on('Target.receivedMessageFromTarget', ({ message }) => {
      const { id, result } = JSON.parse(message) as { id?: number; result?: Record<string, number> };
      if (id !== undefined) this.#answers.get(id)?.(result ?? {});
    });
  }

  async attach(): Promise<void> {
    await this.#page.send('Target.setAutoAttach', {
      autoAttach: true,
      waitForDebuggerOnStart: false,
      flatten: false,
    });
  }

  async ask(method: string): Promise<Record<string, number>> {
    const sessionId = this.#session;
    if (sessionId === undefined) throw new Error('the page has no worker');
    this.#asked += 1;
    const id = this.#asked;
    const answer = new Promise<Record<string, number>>((resolve) => this.#answers.set(id, resolve));
    await this.#page.send('Target.sendMessageToTarget', {
      sessionId,
      message: JSON.stringify({ id, method }),
    });
    return answer;
  }
}

/** Lets the lab run as fast as it can with everything drawn, and weighs it now and then. */
export async function labMemory(
  hash: string,
  seconds: number,
  everySeconds: number,
  told: (sample: MemorySample) => void = () => undefined,
): Promise<MemorySample[]> {
  const lab = await LabPage.open(hash, { stillness: false });
  try {
    const { page } = lab;
    const session = await page.context().newCDPSession(page);
    const worker = new WorkerSession(session);
    await worker.attach();
    await page.locator('[data-knob=pace]').selectOption('null');
    const samples: MemorySample[] = [];
    for (let at = everySeconds; at <= seconds; at += everySeconds) {
      await page.waitForTimeout(everySeconds * 1000);
      await session.send('HeapProfiler.collectGarbage');
      await worker.ask('HeapProfiler.collectGarbage');
      const { usedSize } = await session.send('Runtime.getHeapUsage');
      const { usedSize: inWorker = Number.NaN } = await worker.ask('Runtime.getHeapUsage');
      const sample = {
        seconds: at,
        pageMb: usedSize / MB,
        workerMb: inWorker / MB,
        virtualMs: (await lab.position()).atNs / 1e6,
      };
      samples.push(sample);
      told(sample);
    }
    if (lab.problems.length > 0) throw new Error(lab.problems.join('\n'));
    return samples;
  } finally {
    await lab.close();
  }
}
