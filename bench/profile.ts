import { Session } from 'node:inspector';
import { findSourceMap } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A location as V8 reports it. Line and column count from 0, in the code that the engine runs. */
interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
  readonly columnNumber: number;
}

/** A function by its source location. */
export interface Place {
  readonly name: string;
  /** Path from the root of the repository; '' for the engine's own code. */
  readonly file: string;
  /** Line in the source, from 1. */
  readonly line: number;
}

interface HeapNode {
  readonly callFrame: CallFrame;
  readonly selfSize: number;
  readonly children: readonly HeapNode[];
}

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: CallFrame;
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds from each sample's predecessor. */
  readonly timeDeltas: readonly number[];
  /** Microseconds of the host's monotonic clock. */
  readonly startTime: number;
}

const ROOT = fileURLToPath(new URL('../', import.meta.url));

/** Microseconds between the samples of a CPU profile. */
const CPU_INTERVAL_US = 200;

/**
 * Bytes that each function allocated while `work` ran, most first, by V8's sampling heap profiler: including what was
 * collected since. A function inlined into another counts as the outer one.
 *
 * @param intervalBytes mean distance of two samples
 */
export async function bytesByFunction(
  work: () => void,
  intervalBytes: number,
): Promise<{ readonly place: Place; readonly bytes: number }[]> {
  const session = new Session();
  session.connect();
  await post(session, 'HeapProfiler.startSampling', {
    samplingInterval: intervalBytes,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  work();
  const { profile } = await post<{ profile: { head: HeapNode } }>(session, 'HeapProfiler.stopSampling');
  session.disconnect();
  const found = new Map<string, { place: Place; bytes: number }>();
  const add = (node: HeapNode) => {
    if (node.selfSize > 0) {
      const place = placeOf(node.callFrame);
      const key = `${place.name} ${place.file}:${place.line}`;
      const known = found.get(key) ?? { place, bytes: 0 };
      known.bytes += node.selfSize;
      found.set(key, known);
    }
    for (const child of node.children) add(child);
  };
  add(profile.head);
  return [...found.values()].sort((a, b) => b.bytes - a.bytes);
}

/** A sample of the processor: a function of ours, and the engine's function that it was in, '' for none. */
export interface Seen {
  readonly place: Place;
  readonly builtin: string;
  readonly share: number;
}

/**
 * Shares of the time of `work` after `warmUp`, by function. Both run under the profiler, because code that was
 * optimised without it does not report which of the functions inlined into it ran; samples of `warmUp` are discarded.
 * Work of the engine itself (a copy of bytes, for example) is attributed to the calling function.
 */
export async function timeByFunction(warmUp: () => void, work: () => void): Promise<Seen[]> {
  const session = new Session();
  session.connect();
  await post(session, 'Profiler.enable');
  await post(session, 'Profiler.setSamplingInterval', { interval: CPU_INTERVAL_US });
  await post(session, 'Profiler.start');
  warmUp();
  const fromUs = Number(process.hrtime.bigint() / 1000n);
  work();
  const toUs = Number(process.hrtime.bigint() / 1000n);
  const { profile } = await post<{ profile: CpuProfile }>(session, 'Profiler.stop');
  session.disconnect();

  const parents = new Map<number, number>();
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  for (const { id, children } of profile.nodes) for (const child of children ?? []) parents.set(child, id);
  const counts = new Map<number, number>();
  let atUs = profile.startTime;
  let total = 0;
  for (const [index, node] of profile.samples.entries()) {
    atUs += profile.timeDeltas[index] ?? 0;
    if (atUs < fromUs || atUs > toUs) continue;
    counts.set(node, (counts.get(node) ?? 0) + 1);
    total += 1;
  }
  return [...counts].map(([node, count]) => {
    const own = frames.get(node);
    let at: number | undefined = node;
    while (at !== undefined && !frames.get(at)?.url.startsWith('file:')) at = parents.get(at);
    const caller = at === undefined ? undefined : frames.get(at);
    const builtin = at === node ? '' : (own?.functionName ?? '');
    const place = caller === undefined ? { name: builtin, file: '', line: 0 } : placeOf(caller);
    return { place, builtin, share: count / total };
  });
}

/** The source of a function: tsx packs a file into few lines; its source map leads back. */
function placeOf({ functionName, url, lineNumber, columnNumber }: CallFrame): Place {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (!url.startsWith('file:')) return { name, file: '', line: 0 };
  const path = fileURLToPath(url.replace(/\?.*$/, ''));
  const entry = (findSourceMap(url) ?? findSourceMap(path))?.findEntry(lineNumber, columnNumber);
  const line = entry !== undefined && 'originalLine' in entry ? entry.originalLine : lineNumber;
  return { name, file: relative(ROOT, path), line: line + 1 };
}

/** Posts a command and waits for its answer; the inspector of node has callbacks only. */
function post<Result>(session: Session, method: string, parameters: object = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    session.post(method, parameters, (error, result) => {
      if (error === null) resolve(result as Result);
      else reject(error);
    });
  });
}
