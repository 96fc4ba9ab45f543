import type { ScenarioInput } from '../scenario/schema.js';

/** A scenario to begin with, small enough that every page of it is in the picture. */
export interface Preset {
  readonly name: string;
  readonly title: string;
  readonly scenario: ScenarioInput;
}

/** Rings that fit the picture, and interrupts that do not wait long. */
export const SMALL_GUEST = {
  transmitSlots: 32,
  receiveSlots: 32,
  memoryMegabytes: 2,
  coalesceFrames: 4,
  coalesceNs: 10_000,
} as const;

export const PRESETS: readonly Preset[] = [
  {
    name: 'three-guests',
    title: 'Three guests, one port',
    scenario: {
      name: 'Three guests, one port',
      guests: [
        { name: 'web', traffic: { kind: 'greedy', frameBytes: 1514 }, ...SMALL_GUEST },
        {
          name: 'db',
          traffic: { kind: 'poisson', wireRateBps: 250_000_000, frameBytes: 512 },
          receive: { kind: 'constant', wireRateBps: 150_000_000, frameBytes: 1514 },
          ...SMALL_GUEST,
        },
        { name: 'batch', traffic: { kind: 'greedy', frameBytes: 'imix' }, ...SMALL_GUEST },
      ],
      nic: { rateBps: 1_000_000_000 },
    },
  },
  {
    name: 'neighbours',
    title: 'A greedy neighbour',
    scenario: {
      name: 'A greedy neighbour',
      guests: [
        { name: 'hog', traffic: { kind: 'greedy', frameBytes: 1514 }, ...SMALL_GUEST },
        {
          name: 'quiet',
          traffic: { kind: 'constant', wireRateBps: 200_000_000, frameBytes: 256 },
          ...SMALL_GUEST,
        },
      ],
      nic: { rateBps: 1_000_000_000 },
    },
  },
  {
    name: 'two-ways',
    title: 'Sending and receiving',
    scenario: {
      name: 'Sending and receiving',
      guests: [
        {
          name: 'left',
          traffic: { kind: 'constant', wireRateBps: 400_000_000, frameBytes: 1514 },
          receive: { kind: 'constant', wireRateBps: 300_000_000, frameBytes: 1514 },
          ...SMALL_GUEST,
        },
        {
          name: 'right',
          traffic: { kind: 'constant', wireRateBps: 300_000_000, frameBytes: 1024 },
          receive: { kind: 'poisson', wireRateBps: 400_000_000, frameBytes: 'imix' },
          ...SMALL_GUEST,
        },
      ],
      nic: { rateBps: 1_000_000_000 },
    },
  },
  {
    name: 'one-guest',
    title: 'One guest, to follow a frame',
    scenario: {
      name: 'One guest',
      guests: [
        {
          name: 'guest',
          traffic: { kind: 'constant', wireRateBps: 100_000_000, frameBytes: 1514 },
          receive: { kind: 'constant', wireRateBps: 50_000_000, frameBytes: 512 },
          ...SMALL_GUEST,
        },
      ],
      nic: { rateBps: 1_000_000_000 },
    },
  },
  {
    name: 'eight-guests',
    title: 'Eight guests at 10 Gb/s',
    scenario: {
      name: 'Eight guests at 10 Gb/s',
      guests: [{ name: 'vm', count: 8, traffic: { kind: 'greedy', frameBytes: 1514 }, ...SMALL_GUEST }],
      nic: { rateBps: 10_000_000_000 },
      host: { cores: 4 },
    },
  },
];

/** The preset of a name, or undefined. */
export function presetOf(name: string): Preset | undefined {
  return PRESETS.find((preset) => preset.name === name);
}
