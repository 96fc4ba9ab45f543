import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Capture, CaptureError, readCapture } from '../../guests/capture/index.js';
import { conversationOf, TrafficError } from '../../guests/traffic/index.js';
import { epochToNs, tsharkFields } from './tshark.js';

// Reads every capture of a folder and compares with Wireshark's reading:
//   npx tsx test/support/captures-against-tshark.ts FOLDER...
// Packets, and bytes of packets where all of them are Ethernet frames, are those that `capinfos` counts; the earliest and
// the latest time are its own where no packet was left out. Each capture that has frames is taken apart as a replay does.
// Exit code 1 for a crash or a disagreement.

/** Wireshark's count of a file; undefined where it cannot read it. */
interface Counted {
  readonly packets: number;
  readonly bytes: number;
  /** Of the earliest and of the latest packet, ns since 1970; undefined where it names none. */
  readonly startNs: bigint | undefined;
  readonly endNs: bigint | undefined;
}

const EXTENSIONS = /\.(pcap|pcapng|cap|ntar|trace)(\.gz|\.zst)?$/iu;
const FILES_PER_CALL = 50;

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => EXTENSIONS.test(name))
    .map((name) => join(folder, name))
    .sort();
}

/** What Wireshark counts, by file. `capinfos` gives up at a file that is cut, so each of those is asked for alone. */
function countedByWireshark(files: readonly string[]): Map<string, Counted> {
  const counted = new Map<string, Counted>();
  for (let at = 0; at < files.length; at += FILES_PER_CALL) {
    const text = capinfos(files.slice(at, at + FILES_PER_CALL));
    for (const line of text.split('\n').slice(1)) {
      const [file, packets, bytes, start, end] = line.split('\t');
      if (file !== undefined && packets !== undefined && /^\d+$/u.test(packets))
        counted.set(file, {
          packets: Number(packets),
          bytes: Number(bytes),
          startNs: timeOf(start),
          endNs: timeOf(end),
        });
    }
  }
  return counted;
}

function timeOf(seconds: string | undefined): bigint | undefined {
  return seconds !== undefined && /^\d+\.\d+$/u.test(seconds) ? epochToNs(seconds) : undefined;
}

function capinfos(files: readonly string[]): string {
  const options = ['-T', '-M', '-c', '-d', '-a', '-e', '-S'];
  try {
    return execFileSync('capinfos', [...options, ...files], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 1 << 26,
    });
  } catch (error) {
    // It ends with 1 when it cannot read one of them, and has printed the others.
    return (error as { readonly stdout?: string }).stdout ?? '';
  }
}

function bytesOf({ frames }: Capture): number {
  return frames.reduce((sum, { originalLength }) => sum + originalLength, 0);
}

/** Whether times are not Wireshark's. Frames without a time of their own have none to compare. */
function timesDiffer(file: string, { frames, reading }: Capture, { startNs, endNs }: Counted): boolean {
  const isWhole = Object.keys(reading.foreign).length === 0 && frames.length === reading.packets;
  const [first] = frames;
  if (!isWhole || first === undefined || !frames.every(({ timed }) => timed)) return false;
  let [least, most] = [first.timeNs, first.timeNs];
  for (const { timeNs } of frames) {
    if (timeNs < least) least = timeNs;
    if (timeNs > most) most = timeNs;
  }
  if (least === startNs && most === endNs) return false;
  // Of a few files `capinfos` names times that no frame has in tshark, which has the last word.
  const theirs = tsharkFields(file, ['frame.time_epoch']).map(([time = '']) => epochToNs(time));
  return frames.some(({ timeNs }, index) => timeNs !== theirs[index]);
}

const outcomes = { read: 0, agreed: 0, refused: 0, 'refused by us alone': 0, 'read by us alone': 0, cut: 0 };
const problems: string[] = [];
const files = process.argv.slice(2).flatMap(filesIn);
const wireshark = countedByWireshark(files);
for (const file of files) {
  const theirs = wireshark.get(file);
  let capture: Capture;
  try {
    capture = readCapture(file);
    try {
      conversationOf('replay', capture, { unfit: 'split' });
    } catch (error) {
      if (!(error instanceof TrafficError)) throw error;
    }
  } catch (error) {
    if (!(error instanceof CaptureError)) problems.push(`${file}: crash: ${String(error)}`);
    else if (theirs === undefined) outcomes.refused += 1;
    else {
      outcomes['refused by us alone'] += 1;
      process.stdout.write(`refused: ${error.message}\n`);
    }
    continue;
  }
  outcomes.read += 1;
  const { packets, foreign, synthesised, cut } = capture.reading;
  if (cut !== undefined) outcomes.cut += 1;
  if (theirs === undefined) {
    outcomes['read by us alone'] += 1;
    continue;
  }
  const isEthernet = Object.keys(foreign).length === 0 && synthesised === 0;
  if (packets !== theirs.packets) problems.push(`${file}: ${packets} packets, Wireshark ${theirs.packets}`);
  else if (isEthernet && bytesOf(capture) !== theirs.bytes)
    problems.push(`${file}: ${bytesOf(capture)} bytes, Wireshark ${theirs.bytes}`);
  else if (timesDiffer(file, capture, theirs)) problems.push(`${file}: times differ from Wireshark's`);
  else outcomes.agreed += 1;
}
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.stdout.write(`${files.length} captures: ${JSON.stringify(outcomes)}, ${problems.length} problems\n`);
process.exitCode = problems.length > 0 ? 1 : 0;
