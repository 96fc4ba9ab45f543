import { present } from '../../../scheduler/present.js';
/** A field of a message, little-endian, by its offset behind the header. */
export interface MessageField {
  readonly name: string;
  readonly offset: number;
  readonly bytes: 2 | 4 | 8;
}

const field = <Name extends string>(name: Name, offset: number, bytes: MessageField['bytes']) =>
  ({ name, offset, bytes }) as const;

/** Header of every message, and where its fields lie: two of 16 bits, three of 32. */
export const HEADER_BYTES = 16;
export const HEADER = { ID: 0, COMMAND: 2, SIZE: 4, FLAGS: 8, ERROR: 12 } as const;

/** Most bytes that one message reads or writes of a region; said in VERSION as `max_data_xfer_size`. */
export const MAX_TRANSFER_BYTES = 65_536;

/** Flags of the header: bits 3:0 are the kind of the message. */
export const TYPE_MASK = 0xf;
export const TYPE_REPLY = 1;
export const FLAG_NO_REPLY = 0x10;
export const FLAG_ERROR = 0x20;

/** A command of the vfio-user protocol, version 0.x, as its specification in QEMU's documentation has it. */
export interface CommandDefinition {
  readonly code: number;
  readonly name: string;
  /** Who sends it: the client is the virtual machine, the server is us. */
  readonly from: 'client' | 'server' | 'both';
  /** Fields of its fixed part; what follows them is data. */
  readonly fields: readonly MessageField[];
  /** What this server does with it. */
  readonly answer: string;
}

const command = <Name extends string, Fields extends readonly MessageField[]>(
  code: number,
  name: Name,
  from: CommandDefinition['from'],
  fields: Fields,
  answer: string,
) => ({ code, name, from, fields, answer }) as const;

const ACCESS = [field('offset', 0, 8), field('region', 8, 4), field('count', 12, 4)] as const;
const MEMORY = [field('address', 0, 8), field('count', 8, 8)] as const;
const INFORMATION = [field('argsz', 0, 4), field('flags', 4, 4), field('index', 8, 4)] as const;

/** Every command. A message that is shorter than its fields is answered with EINVAL. */
export const COMMANDS = [
  command(
    1,
    'VERSION',
    'client',
    [field('major', 0, 2), field('minor', 2, 2)],
    'Agreed when major is 0; must come first',
  ),
  command(
    2,
    'DMA_MAP',
    'client',
    [
      field('argsz', 0, 4),
      field('flags', 4, 4),
      field('offset', 8, 8),
      field('address', 16, 8),
      field('size', 24, 8),
    ],
    'The range is known from now on; under `iommu:guest` it is in our tables',
  ),
  command(
    3,
    'DMA_UNMAP',
    'client',
    [field('argsz', 0, 4), field('flags', 4, 4), field('address', 8, 8), field('size', 16, 8)],
    'Answered when nothing of the guest reaches the range any more',
  ),
  command(4, 'DEVICE_GET_INFO', 'client', [field('argsz', 0, 4)], 'A PCI function that can be reset'),
  command(5, 'DEVICE_GET_REGION_INFO', 'client', INFORMATION, 'Size of a region'),
  command(6, 'DEVICE_GET_REGION_IO_FDS', 'client', INFORMATION, 'Not supported'),
  command(7, 'DEVICE_GET_IRQ_INFO', 'client', INFORMATION, 'Interrupts of a kind'),
  command(
    8,
    'DEVICE_SET_IRQS',
    'client',
    [
      field('argsz', 0, 4),
      field('flags', 4, 4),
      field('index', 8, 4),
      field('start', 12, 4),
      field('count', 16, 4),
    ],
    'Taken as a sign that vectors have changed; the MSI-X table is read afterwards. Under `iommu:guest` the descriptors that come along are what vectors signal',
  ),
  command(9, 'REGION_READ', 'client', ACCESS, 'Bytes of a register or of configuration space'),
  command(10, 'REGION_WRITE', 'client', ACCESS, 'As a store of the guest'),
  command(11, 'DMA_READ', 'server', MEMORY, 'Asks for bytes of the guest: the MSI-X table'),
  command(12, 'DMA_WRITE', 'server', MEMORY, 'Sends a message-signalled interrupt'),
  command(13, 'DEVICE_RESET', 'client', [], 'As a function-level reset'),
  command(15, 'REGION_WRITE_MULTI', 'client', [], 'Not supported, and not offered'),
  command(16, 'DEVICE_FEATURE', 'client', [], 'Not supported: there is no migration'),
] as const satisfies readonly CommandDefinition[];

export type CommandName = (typeof COMMANDS)[number]['name'];
type FieldsOf<Name extends CommandName> = Extract<
  (typeof COMMANDS)[number],
  { name: Name }
>['fields'][number];

const BY_CODE: ReadonlyMap<number, (typeof COMMANDS)[number]> = new Map(
  COMMANDS.map((entry) => [entry.code, entry]),
);

/** The command of a code. */
export function commandOf(code: number): (typeof COMMANDS)[number] | undefined {
  return BY_CODE.get(code);
}

/** The code of a command. */
export function codeOf(name: CommandName): number {
  return present(COMMANDS.find((entry) => entry.name === name)).code;
}

/** Bytes of the fixed part of a command. */
export function fixedBytes(definition: CommandDefinition): number {
  return definition.fields.reduce((most, { offset, bytes }) => Math.max(most, offset + bytes), 0);
}

/** The fields of one command's payload, by name. 64-bit values stay exact. */
export class Payload<Name extends CommandName> {
  readonly #view: DataView;
  readonly #definition: CommandDefinition;

  constructor(name: Name, bytes: Uint8Array) {
    this.#definition = COMMANDS.find((entry) => entry.name === name) ?? COMMANDS[0];
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  number(name: FieldsOf<Name>['name']): number {
    return Number(this.exact(name));
  }

  exact(name: FieldsOf<Name>['name']): bigint {
    for (const { name: candidate, offset, bytes } of this.#definition.fields) {
      if (candidate !== name) continue;
      if (bytes === 2) return BigInt(this.#view.getUint16(offset, true));
      return bytes === 4 ? BigInt(this.#view.getUint32(offset, true)) : this.#view.getBigUint64(offset, true);
    }
    return 0n;
  }
}

/** Builds a message: header, then payload. The size is filled in. */
export function message(
  id: number,
  code: number,
  flags: number,
  payloadBytes: number,
  fill: (view: DataView, bytes: Uint8Array) => void = () => {},
  error = 0,
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payloadBytes);
  const view = new DataView(bytes.buffer);
  view.setUint16(HEADER.ID, id, true);
  view.setUint16(HEADER.COMMAND, code, true);
  view.setUint32(HEADER.SIZE, bytes.length, true);
  view.setUint32(HEADER.FLAGS, flags, true);
  view.setUint32(HEADER.ERROR, error, true);
  fill(new DataView(bytes.buffer, HEADER_BYTES), bytes.subarray(HEADER_BYTES));
  return bytes;
}

/** Errors that a reply can carry, by the numbers of Linux. */
export const ERRNO = { EINVAL: 22, ENOSPC: 28, EEXIST: 17, ENOENT: 2, ENOTSUP: 95 } as const;

/** Flags of DMA_MAP and DMA_UNMAP, and of what is told of the device. */
export const MAP_READ = 1;
export const MAP_WRITE = 2;
export const UNMAP_ALL = 2;
export const DEVICE_RESETTABLE = 1;
export const DEVICE_PCI = 2;
export const REGION_READ = 1;
export const REGION_WRITE = 2;
export const SET_DATA_NONE = 1;
export const SET_DATA_EVENTFD = 4;
export const SET_ACTION_TRIGGER = 32;
export const IRQ_EVENTFD = 1;
export const IRQ_NORESIZE = 8;
