import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { LiveServer, type ServerOptions } from '../../../src/live/server/live-server.js';
import { checkScenario } from '../../../src/scenario/load.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';
import { Client } from './client.js';
import { Driver } from './driver.js';
import { GUEST_BYTES } from './lab.js';

/** What a served session may be told. */
export interface ServedOptions extends Partial<ServerOptions> {
  readonly protection?: string;
  readonly discipline?: string;
  readonly scenario?: Partial<ScenarioInput>;
}

/** A server with two real guests, `red` and `blue`, by the clock of the host: sockets and files as `serve` makes them. */
export class Served {
  readonly server: LiveServer;
  /** What went wrong in it: nothing is expected. */
  readonly failures: unknown[] = [];
  readonly #guests: { readonly socket: Socket; readonly ram: number }[] = [];

  private constructor({ protection = 'cdna', discipline = 'drr', scenario, ...options }: ServedOptions) {
    this.server = new LiveServer({
      subject: {
        scenario: checkScenario({
          guests: ['red', 'blue'].map((name) => ({ name, attached: true, memoryMegabytes: 4 })),
          nic: { rateBps: 100_000_000 },
          ...scenario,
        }),
        directory: '.',
        captures: new Map(),
        protection,
        discipline,
        seed: 1,
      },
      directory: undefined,
      record: undefined,
      capture: undefined,
      snapBytes: undefined,
      force: false,
      spinNs: 0,
      isWatched: true,
      log: () => {},
      failed: (error) => this.failures.push(error),
      ...options,
    });
  }

  static async start(options: ServedOptions = {}): Promise<Served> {
    const served = new Served(options);
    await served.server.start();
    return served;
  }

  /** A virtual machine of a few lines: attaches to a guest's socket, maps its RAM file, and starts a virtio driver. */
  async boot(guest: number): Promise<Driver> {
    const [command] = this.server.commands().slice(guest);
    const words = command?.words ?? [];
    const socketPath = /"path":"(?<path>[^"]+)"/u.exec(words.join(' '))?.groups?.path ?? '';
    const ramPath = /mem-path=(?<path>[^,]+)/u.exec(words.join(' '))?.groups?.path ?? '';
    const socket = connect(socketPath);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const ram = openSync(ramPath, 'r+');
    this.#guests.push({ socket, ram });
    const client = new Client({
      connect: (connection) => {
        let rest = Buffer.alloc(0);
        socket.on('data', (bytes: Buffer) => {
          rest = Buffer.concat([rest, bytes]);
          // Bytes 4 to 7 of a message say how long it is.
          while (rest.length >= 16 && rest.length >= rest.readUInt32LE(4)) {
            const length = rest.readUInt32LE(4);
            connection.send(new Uint8Array(rest.subarray(0, length)));
            rest = rest.subarray(length);
          }
        });
        return true;
      },
      send: (bytes) => socket.write(bytes),
      close: () => socket.destroy(),
    });
    const driver = new Driver(client, {
      read: (address, length) => {
        const bytes = new Uint8Array(length);
        readSync(ram, bytes, 0, length, address);
        return bytes;
      },
      write: (address, bytes) => {
        writeSync(ram, bytes, 0, bytes.length, address);
      },
    });
    client.connect();
    client.version();
    client.map(0, GUEST_BYTES, 0);
    driver.start();
    await until(() => this.server.machine.guests[guest]?.device.port !== undefined);
    return driver;
  }

  stop(): void {
    for (const { socket, ram } of this.#guests.splice(0)) {
      socket.destroy();
      closeSync(ram);
    }
    this.server.stop();
  }
}

/** Looks of `until`, 5 ms apart at least: they end before a test's own time does, so that a failure says what was waited for. */
const LOOKS = 10_000;

/** Waits until something holds, and gives up after nearly a minute. */
export async function until(holds: () => boolean, what = holds.toString()): Promise<void> {
  for (let looks = 0; !holds(); looks += 1) {
    if (looks > LOOKS) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
