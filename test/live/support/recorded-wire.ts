import type { LiveMachine } from '../../../src/live/live-machine.js';
import type { SessionWriter } from '../../../src/live/log/session-writer.js';
import type { Wire } from './client.js';

/** The way from a client to a guest of a machine whose inputs are recorded, as `serve --record` has it. */
export function recordedWire(machine: LiveMachine, writer: SessionWriter, index: number): Wire {
  return {
    connect: (connection) => {
      writer.attach(index);
      return machine.attach(index, connection);
    },
    send: (bytes) => {
      writer.receive(index, bytes);
      machine.receive(index, bytes);
    },
    close: () => {
      writer.detach(index);
      machine.detach(index);
    },
  };
}
