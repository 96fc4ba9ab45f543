import type { CaptureStore } from '../machine/traffic.js';
import { CaptureRecorder } from '../report/capture-recorder.js';
import { DOCUMENT_FORMAT, documentText } from '../report/document-text.js';
import { MemoryFile } from '../report/memory-file.js';
import { PcapngStream } from '../report/pcapng-stream.js';
import { PerfettoStream } from '../report/perfetto-stream.js';
import { TraceRecorder } from '../report/trace-recorder.js';
import { LabMachine } from './lab-machine.js';
import type { CheckedPlan } from './plan.js';
import type { Output } from './protocol.js';
import { terminalCommand } from './terminal-command.js';

/** How much of a run a timeline shows, ns: as on the command line. */
const TRACE_NS = 5_000_000;

/** A file that is taken out. */
export interface TakenFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a file is made from. */
export interface TakeOutRequest {
  readonly checked: CheckedPlan;
  readonly captures: CaptureStore;
  /** The run is that of so much virtual time, ns. */
  readonly atNs: number;
  readonly output: Output;
  /** Version of this package, for documents. */
  readonly version: string;
}

/**
 * Runs the plan once more from its start to `atNs`, with a recorder, and gives what was recorded. The whole of that run is computed
 * before anything else is answered, however long it is, since a file has all of it or is none; the page goes on meanwhile,
 * for its machines run in workers (page/connection.ts).
 */
export function takeOut({ checked, captures, atNs, output, version }: TakeOutRequest): TakenFile {
  const { plan } = checked;
  if (output === 'scenario') {
    const { approach: protection, discipline, seed } = plan;
    return textFile(
      'scenario.json',
      `${JSON.stringify({ ...plan.scenario, protection, discipline, seed }, null, 2)}\n`,
    );
  }
  const endNs = Math.max(1, atNs);
  const lab = new LabMachine({ ...checked, endNs }, captures);
  const { machine } = lab;
  switch (output) {
    case 'json': {
      lab.runTo(endNs);
      const { words } = terminalCommand(plan, endNs);
      const fields = {
        repeat: `npx cdna-nic ${words.join(' ')}`,
        seed: plan.seed,
        scenario: { source: 'lab.json', ...checked.scenario },
        notes: [],
        runs: [lab.result()],
      };
      const head = { format: DOCUMENT_FORMAT, tool: 'cdna-nic', version, command: 'run' } as const;
      return textFile('run.json', documentText(head, fields));
    }
    case 'pcapng': {
      const file = new MemoryFile('lab.pcapng');
      const recorder = new CaptureRecorder(new PcapngStream(file), machine);
      lab.runTo(endNs);
      recorder.finish();
      recorder.close();
      return { name: file.path, bytes: file.bytes() };
    }
    case 'perfetto': {
      const file = new MemoryFile('lab.pftrace');
      const traceNs = Math.min(endNs, TRACE_NS);
      const about = { seed: plan.seed, protection: plan.approach, endNs: traceNs };
      const recorder = new TraceRecorder(new PerfettoStream(file, about), machine, traceNs);
      lab.runTo(endNs);
      recorder.finish();
      recorder.close();
      return { name: file.path, bytes: file.bytes() };
    }
  }
}

function textFile(name: string, text: string): TakenFile {
  return { name, bytes: new TextEncoder().encode(text) };
}
