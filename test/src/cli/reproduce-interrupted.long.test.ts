import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Interrupted, Interruption } from '../../../src/cli/interruption.js';
import { scratchFolder } from '../report/scratch-folder.js';
import { invoke } from './invoke.js';

const scratch = scratchFolder();

test.for(['SIGINT', 'SIGTERM'] as const)(
  '%s while threads compute ends them and leaves nothing',
  async (signal) => {
    const folder = scratch.path(`out-${signal}`);
    const before = process.listenerCount(signal);
    const answer = invoke('reproduce', 'scaling', '--out', folder, '--json');
    while (process.listenerCount(signal) === before) await pause(5);
    // The threads start, and are with machines that take seconds each.
    await pause(500);
    process.emit(signal, signal);
    expect(await answer).toEqual({
      code: signal === 'SIGINT' ? 130 : 143,
      out: '',
      err: `stopped by ${signal}; nothing was written\n`,
    });
    expect(existsSync(folder)).toBe(false);
    expect(process.listenerCount(signal)).toBe(before);
  },
);

test('work that ends is not cut short, and work that fails says why', async () => {
  const interruption = new Interruption();
  interruption.listen();
  try {
    await expect(interruption.cutShort(Promise.resolve(7))).resolves.toBe(7);
    await expect(interruption.cutShort(Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    const endless = new Promise<never>(() => undefined);
    const cut = interruption.cutShort(endless);
    process.emit('SIGTERM', 'SIGTERM');
    await expect(cut).rejects.toThrow(Interrupted);
    // A signal that came before the wait counts as well.
    await expect(interruption.cutShort(endless)).rejects.toThrow('stopped by SIGTERM');
  } finally {
    interruption.close();
  }
});
