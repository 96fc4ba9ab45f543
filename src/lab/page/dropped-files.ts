import { UserError } from '../../../scheduler/errors.js';
import type { ScenarioInput } from '../../scenario/schema.js';
import { plansOf } from '../plan.js';
import { SMALL_GUEST } from '../presets.js';
import { captures, message, open, plans } from './store.js';

/** Largest file that is taken, bytes: a page is no place for more. */
const MOST_BYTES = 256 * 2 ** 20;

/** Takes scenarios and captures that were dropped. A scenario keeps the captures that it names, whatever their folder. */
export async function takeFiles(files: readonly File[]): Promise<void> {
  try {
    let scenario: ScenarioInput | undefined;
    for (const file of files) {
      if (file.size > MOST_BYTES)
        throw new Error(`${file.name} has ${file.size} bytes, expected at most ${MOST_BYTES}`);
      if (/\.json$/iu.test(file.name)) scenario = scenarioIn(file.name, await file.text());
      else if (/\.[cm]?[jt]s$/iu.test(file.name))
        throw new Error(
          `${file.name} is a module; expected a scenario in JSON: the lab runs no code of a file`,
        );
      else await takeCapture(file);
    }
    const [first] = plans.value;
    if (first === undefined) return;
    if (scenario !== undefined) openScenario(scenario);
    else if (files.length > 0) openScenario(replayOf(captures.value.at(-1)?.name ?? ''));
  } catch (error) {
    message.value = error instanceof Error ? error.message : String(error);
  }
}

/** What a file says; the machine looks at its fields. @throws UserError */
function scenarioIn(name: string, text: string): ScenarioInput {
  try {
    return JSON.parse(text) as ScenarioInput;
  } catch (error) {
    throw new UserError(`${name} is not JSON (${(error as Error).message}), expected a scenario`);
  }
}

function openScenario(scenario: ScenarioInput): void {
  open(plansOf(scenario, plans.value));
}

/** A scenario in which a capture is played by one guest, and the far end. */
function replayOf(capture: string): ScenarioInput {
  return {
    name: `Replay of ${capture}`,
    guests: [
      {
        name: 'replayed',
        traffic: { kind: 'replay', capture, unfit: 'split', loop: true },
        ...SMALL_GUEST,
        transmitSlots: 128,
        receiveSlots: 128,
      },
    ],
    nic: { rateBps: 1_000_000_000 },
  };
}

async function takeCapture(file: File): Promise<void> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const name = isPacked ? file.name.replace(/\.gz$/iu, '') : file.name;
  const plain = isPacked ? await gunzip(file.name, bytes) : bytes;
  captures.value = [...captures.value.filter((other) => other.name !== name), { name, bytes: plain }];
}

/** Unpacks as far as is allowed: a small file may unpack to more than the page can hold. */
async function gunzip(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let size = 0; ; ) {
    const { done, value } = await unpacked.read();
    if (done) break;
    size += value.length;
    if (size > MOST_BYTES) {
      await unpacked.cancel();
      throw new Error(`${name} has over ${MOST_BYTES} bytes when unpacked, expected at most so many`);
    }
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Files may be dropped anywhere on the page. */
export function acceptDrops(): void {
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    void takeFiles([...(event.dataTransfer?.files ?? [])]);
  });
}
