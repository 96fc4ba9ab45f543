import { floorLog2 } from '../../scheduler/whole-logarithm.js';
import {
  CALL_PAGE_ID,
  CALL_PAGE_VERSION,
  CALL_REGISTER,
  CALL_REGISTERS,
  type CallRegisterName,
  COUNTERS_OFFSET,
  HAND_OVERS,
  PAGE_COUNTERS,
} from './call-registers.js';
import type { CardDevice } from './card-device.js';

const BY_OFFSET: ReadonlyMap<number, (typeof CALL_REGISTERS)[number]> = new Map(
  CALL_REGISTERS.map((entry) => [entry.offset, entry]),
);
const ONES = 0xffffffff;
const COUNTER_WORDS = 2 * PAGE_COUNTERS.length;

/** The hypercall page of a guest: a driver writes what a call is about, then the call, and reads how it went. */
export class CallPage {
  readonly #device: CardDevice;
  readonly #written = new Map<CallRegisterName, number>();
  // The upper half of the counter whose lower half was read last: the two belong together.
  #counterHigh = 0;

  constructor(device: CardDevice) {
    this.#device = device;
  }

  reset(): void {
    this.#written.clear();
    this.#counterHigh = 0;
  }

  /** Reads the 32-bit register at an offset. */
  read(offset: number): number {
    const word = (offset - COUNTERS_OFFSET) / 4;
    if (word >= 0) return word < COUNTER_WORDS ? this.#counter(word) : ONES;
    const definition = BY_OFFSET.get(offset);
    if (definition === undefined) return ONES;
    return definition.access === 'wo' ? 0 : this.#value(definition.name);
  }

  /** Writes the 32-bit register at an offset; nothing happens where none can be written. */
  write(offset: number, value: number): void {
    const definition = BY_OFFSET.get(offset);
    if (definition === undefined || definition.access === 'ro') return;
    if (offset !== CALL_REGISTER.CALL) {
      this.#written.set(definition.name, value);
      return;
    }
    this.#device.call(value, {
      rings: this.#address('RINGS_LOW', 'RINGS_HIGH'),
      requests: this.#address('REQUESTS_LOW', 'REQUESTS_HIGH'),
      argument: this.#rw('ARGUMENT'),
    });
  }

  #value(name: CallRegisterName): number {
    const device = this.#device;
    switch (name) {
      case 'ID':
        return CALL_PAGE_ID;
      case 'VERSION':
        return CALL_PAGE_VERSION;
      case 'HAND_OVER':
        return HAND_OVERS.indexOf(device.handOver);
      case 'RING_SIZES':
        return floorLog2(device.slots.transmit) + floorLog2(device.slots.receive) * 256;
      case 'MAC_LOW':
        return device.mac % 2 ** 32;
      case 'MAC_HIGH':
        return Math.floor(device.mac / 2 ** 32);
      case 'ADDRESS_LOW':
        return device.ramAddress % 2 ** 32;
      case 'ADDRESS_HIGH':
        return Math.floor(device.ramAddress / 2 ** 32);
      case 'RESULT':
        return device.outcome.result;
      case 'ACCEPTED':
        return device.outcome.accepted;
      case 'REFUSAL':
        return device.outcome.refusal;
      case 'STATE':
        return device.outcome.state;
      case 'FAULT':
        return device.outcome.fault;
      default:
        return this.#rw(name);
    }
  }

  #rw(name: CallRegisterName): number {
    // 0: the reset value of every register that can be written.
    return this.#written.get(name) ?? 0;
  }

  #address(low: CallRegisterName, high: CallRegisterName): number {
    return this.#rw(high) * 2 ** 32 + this.#rw(low);
  }

  #counter(word: number): number {
    if (!Number.isInteger(word)) return ONES;
    if (word % 2 === 1) return this.#counterHigh;
    const value = this.#device.pageCounter(word / 2);
    this.#counterHigh = Math.floor(value / 2 ** 32);
    return value % 2 ** 32;
  }
}
