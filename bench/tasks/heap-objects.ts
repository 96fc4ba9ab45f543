import { getHeapSnapshot } from 'node:v8';
import { answer } from '../child.js';
import { GreedyMachine, type GreedyMachineOptions } from '../greedy-machine.js';

export interface HeapObjectsQuestion {
  readonly machine: GreedyMachineOptions;
  /** Frames delivered before the objects are counted. */
  readonly frames: number;
}

/** The parts of a heap snapshot that are read here. */
interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly (readonly string[] | string)[];
    };
  };
  readonly nodes: readonly number[];
}

/** Nodes of a heap snapshot that are no objects of the program: code, shapes and the engine's own. */
const NO_OBJECTS: ReadonlySet<string> = new Set(['hidden', 'code', 'object shape', 'synthetic']);

/** Objects, arrays, functions, strings and boxed numbers on the heap with a machine, of a snapshot of it. */
answer(async ({ machine: options, frames }: HeapObjectsQuestion): Promise<number> => {
  const machine = new GreedyMachine(options);
  machine.deliver(frames);
  const pieces: Buffer[] = [];
  for await (const piece of getHeapSnapshot()) pieces.push(piece as Buffer);
  const { snapshot, nodes } = JSON.parse(Buffer.concat(pieces).toString('latin1')) as Snapshot;
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const at = fields.indexOf('type');
  const kinds = types[at] ?? [];
  let objects = 0;
  for (let node = at; node < nodes.length; node += fields.length)
    if (!NO_OBJECTS.has(kinds[nodes[node] ?? 0] ?? '')) objects += 1;
  // It is used here so that it is not collected before.
  if (machine.delivered < frames) throw new Error('frames are missing');
  return objects;
});
