import type { CaptureBytes } from './capture-bytes.js';
import { forEachOption } from './pcapng-options.js';

/** One interface of a section, as its description block has it. */
export interface PcapngInterface {
  /** Name (if_name), else its number: for messages. */
  readonly label: string;
  readonly linkType: number;
  /** Bytes of a packet that are recorded at most; 0 for no limit. */
  readonly snapBytes: number;
  /** Bytes of frame check sequence at the end of its packets (if_fcslen). */
  readonly fcsBytes: number;
  /** Time of its clock's tick `ticks`, ns since 1970, rounded down. */
  timeNs(ticks: bigint): bigint;
}

const OPTION_NAME = 2;
const OPTION_TIME_RESOLUTION = 9;
const OPTION_FCS_LENGTH = 13;
const OPTION_TIME_OFFSET = 14;

/** Reads an interface description block; `body` is where its own fields start. */
export function parseInterface(source: CaptureBytes, body: number, end: number, id: number): PcapngInterface {
  if (end - body < 8) source.fail(body, 'interface description', `${end - body} bytes`, 'at least 8');
  const linkType = source.u16(body, 'link type');
  const snapBytes = source.u32(body + 4, 'snapshot length');
  let label = `interface ${id}`;
  let fcsBytes = 0;
  let resolution = 6;
  let offsetSeconds = 0n;
  forEachOption(source, body + 8, end, (code, value, length) => {
    if (code === OPTION_NAME) {
      label = `interface ${id} (${source.text(value, length, 'if_name')})`;
    } else if (code === OPTION_TIME_RESOLUTION) {
      expectLength(source, 'if_tsresol', value, length, 1);
      resolution = source.u8(value, 'if_tsresol');
    } else if (code === OPTION_FCS_LENGTH) {
      expectLength(source, 'if_fcslen', value, length, 1);
      fcsBytes = source.u8(value, 'if_fcslen');
    } else if (code === OPTION_TIME_OFFSET) {
      expectLength(source, 'if_tsoffset', value, length, 8);
      offsetSeconds = source.i64(value, 'if_tsoffset');
    }
  });
  // The high bit of if_tsresol chooses the base: a power of ten, or of two, in parts of a second.
  const ticksPerSecond = resolution < 0x80 ? 10n ** BigInt(resolution) : 2n ** BigInt(resolution & 0x7f);
  const offsetNs = offsetSeconds * 1_000_000_000n;
  return {
    label,
    linkType,
    snapBytes,
    fcsBytes,
    timeNs: (ticks) => offsetNs + (ticks * 1_000_000_000n) / ticksPerSecond,
  };
}

function expectLength(
  source: CaptureBytes,
  option: string,
  value: number,
  found: number,
  expected: number,
): void {
  if (found !== expected) source.fail(value - 2, `length of ${option}`, `${found}`, `${expected}`);
}
