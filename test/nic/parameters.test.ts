import { describe, expect, it } from 'vitest';
import { DEFAULT_NIC, type NicParameters, validateNicParameters } from '../../nic/parameters.js';
import { ParameterError } from '../../scheduler/errors.js';

describe('a card', () => {
  it('is built with its defaults, and with the most that it may have', () => {
    expect(() => validateNicParameters(DEFAULT_NIC)).not.toThrow();
    expect(() =>
      validateNicParameters({ ...DEFAULT_NIC, contexts: 16_384, rateBps: 400e9, requesterBase: 0xc000 }),
    ).not.toThrow();
  });

  it.each([
    ['contexts', 0, 'a whole number from 1 to 16384'],
    ['contexts', 16_385, 'a whole number from 1 to 16384'],
    ['contexts', 2.5, 'a whole number from 1 to 16384'],
    ['rateBps', 999_999, 'a whole number from 1000000 to 800000000000'],
    ['rateBps', 801e9, 'a whole number from 1000000 to 800000000000'],
    ['rateBps', Number.NaN, 'a whole number from 1000000 to 800000000000'],
    ['transmitFifoBytes', 9017, 'a whole number from 9018 to 16777216'],
    ['receiveShareBytes', 100, 'a whole number from 9018 to 16777216'],
    ['receiveDmaBytes', 9017, 'a whole number from 9018 to 16777216'],
    ['descriptorCacheSlots', 2, 'a whole number from 4 to 1024'],
    ['descriptorCacheSlots', 48, 'a power of two'],
    ['descriptorBatch', 65, 'a whole number from 1 to 64'],
    ['descriptorBatch', 0, 'a whole number from 1 to 1024'],
    ['dmaInFlight', 0, 'a whole number from 1 to 65536'],
    ['decodeNs', -1, 'a whole number from 0 to 1000000000'],
    ['interruptGapNs', Number.POSITIVE_INFINITY, 'a whole number from 0 to 1000000000'],
    ['switchNs', 0.1, 'a whole number from 0 to 1000000000'],
    ['requesterBase', 0xffff, 'a whole number from 0 to 65504'],
    ['managementRequesterId', 0x10000, 'a whole number from 0 to 65535'],
    ['managementRequesterId', 0x0105, 'an ID that is not that of context 5'],
  ] satisfies readonly (readonly [keyof NicParameters, number, string])[])(
    'is not built with %s = %d',
    (field, value, expected) => {
      expect(() => validateNicParameters({ ...DEFAULT_NIC, [field]: value })).toThrow(
        new ParameterError(`nic.${field} is ${value}, expected ${expected}`),
      );
    },
  );
});
