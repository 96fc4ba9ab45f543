import { closeSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { FaultPolicy } from '../../../host/hypervisor/fault-log.js';
import { GUEST_DRIVEN } from '../../../host/protection/iommu/guest-driven/name.js';
import type { Discipline } from '../../../scheduler/discipline.js';
import { present } from '../../../scheduler/present.js';
import { RecentLatencies } from '../../lab/recent-latencies.js';
import { refuseForeignFiles } from '../../report/foreign-file.js';
import type { ServedSession } from '../lab/served-session.js';
import { LiveCapture } from '../live-capture.js';
import { LiveError } from '../live-error.js';
import { LiveMachine } from '../live-machine.js';
import { type SessionSubject, subjectPlan, UPLINK } from '../live-plan.js';
import { SessionWriter } from '../log/session-writer.js';
import { FileRam } from '../ram/file-ram.js';
import { type DescriptorService, descriptorService } from './descriptor-service.js';
import { GuestSocket, type SocketClient } from './guest-socket.js';
import { isAnswered } from './private-socket.js';
import { guestCommand, uplinkCommand } from './qemu-command.js';
import { folderPrefix, makeRamFolder } from './ram-folder.js';
import { Uplink } from './uplink.js';
import { WallClock } from './wall-clock.js';

const NOTHING = new Uint8Array(0);

/** What `serve` is told. */
export interface ServerOptions {
  readonly subject: SessionSubject;
  /** Folder of the sockets; one is made, and removed at the end, when it is left out. */
  readonly directory: string | undefined;
  readonly record: string | undefined;
  readonly capture: string | undefined;
  readonly snapBytes: number | undefined;
  /** Whether files of other origin are written over. */
  readonly force: boolean;
  readonly spinNs: number;
  /** Whether pages of the lab may watch: latencies of the last frames are kept for them. */
  readonly isWatched?: boolean;
  /** Told of what happens, a line each. */
  readonly log: (line: string) => void;
  /** Something of ours broke: the server must end. */
  readonly failed: (error: unknown) => void;
}

/** A card that real machines plug in to: sockets, memory files and the host's clock around a live machine. */
export class LiveServer implements ServedSession {
  readonly machine: LiveMachine;
  readonly latencies = new RecentLatencies<number>();
  readonly #disciplines: Discipline[] = [];
  readonly #options: ServerOptions;
  readonly #clock: WallClock;
  readonly #sockets: GuestSocket[] = [];
  // Where guests' sockets carry file descriptors.
  readonly #descriptors: DescriptorService | undefined;
  readonly #rams: FileRam[] = [];
  readonly #uplink: Uplink;
  readonly #recorder: SessionWriter | undefined;
  readonly #socketFolder: string = '';
  readonly #ownsSocketFolder: boolean;
  readonly #ramFolder: string;
  #capture: LiveCapture | undefined;
  #captures = 0;
  #isLooking = false;
  #stopped = false;

  /** @throws LiveError, ScenarioError, ParameterError, SessionLogError */
  constructor(options: ServerOptions) {
    this.#options = options;
    const { subject, directory, record, capture, force } = options;
    const plan = subjectPlan(subject);
    this.#descriptors = descriptorService(subject);
    for (const path of [record, capture]) if (path !== undefined) refuseForeignFiles([path], force);
    this.#ramFolder = makeRamFolder(ramBytes(subject));
    this.#ownsSocketFolder = directory === undefined;
    try {
      this.#socketFolder =
        directory === undefined ? mkdtempSync(join(tmpdir(), folderPrefix())) : socketFolder(directory);
      this.#recorder =
        record === undefined
          ? undefined
          : new SessionWriter(record, {
              scenario: subject.scenario,
              directory: subject.directory,
              protection: subject.protection,
              discipline: subject.discipline,
              seed: subject.seed,
            });
      this.#uplink = new Uplink(
        join(this.#socketFolder, `${UPLINK}.sock`),
        (frame) => {
          this.#recorder?.uplink(frame);
          this.machine.uplinkFrame(frame);
        },
        (deliver) => this.#input(deliver),
      );
      this.machine = new LiveMachine({
        ...plan,
        makeDiscipline: () => {
          const discipline = plan.makeDiscipline();
          this.#disciplines.push(discipline);
          return discipline;
        },
        ...(options.isWatched === true
          ? {
              sent: (guest, _bytes, _offset, _length, postedNs, endNs) =>
                this.latencies.record(guest, endNs - postedNs),
            }
          : {}),
        makeRam: (_index, name, bytes) => {
          const ram = new FileRam(join(this.#ramFolder, name), bytes);
          this.#rams.push(ram);
          return ram;
        },
        readMemory: (guest, offset, bytes, at, length) => {
          if (!this.#isLooking) this.#recorder?.read(guest, offset, bytes, at, length);
        },
        uplink: (bytes, offset, length) => this.#uplink.send(bytes, offset, length),
      });
      this.#clock = new WallClock(
        this.machine,
        options.spinNs,
        (untilNs) => this.#recorder?.run(untilNs),
        options.failed,
      );
      for (const [index, guest] of this.machine.guests.entries()) this.#addSocket(index, guest.name);
      if (capture !== undefined) this.toggleCapture();
    } catch (error) {
      this.#removeFiles();
      throw error;
    }
  }

  /** Opens the sockets. @throws LiveError when one cannot be. */
  async start(): Promise<void> {
    if (await isAnswered(this.#uplink.path))
      throw new LiveError(
        `--dir is "${this.#socketFolder}", where another serve listens, expected a folder of its own`,
      );
    try {
      for (const socket of [...this.#sockets, this.#uplink]) await socket.listen();
    } catch (error) {
      throw new LiveError(
        `${this.#socketFolder}: no socket can be made there (${(error as Error).message}), expected a folder of your own with a short name`,
      );
    }
    this.#clock.advance();
    this.#clock.arm();
  }

  /** The command line of each guest's virtual machine, and of the way out. */
  commands(): { readonly name: string; readonly words: readonly string[] }[] {
    const guests = this.machine.machine.attached.map(({ name, spec }, index) => ({
      name,
      words: guestCommand({
        memoryMegabytes: spec.memoryMegabytes,
        ramPath: this.#rams[index]?.path ?? '',
        socketPath: this.#sockets[index]?.path ?? '',
        ownIommu: this.#options.subject.protection === GUEST_DRIVEN,
      }),
    }));
    return [...guests, { name: 'uplink', words: uplinkCommand(this.#uplink.path) }];
  }

  /** Bytes that wait to be read by virtual machines. */
  get unsentBytes(): number {
    return this.#sockets.reduce((sum, socket) => sum + socket.unsentBytes, 0);
  }

  /** Brings virtual time to now, so that what is looked at is of now. */
  advance(): void {
    this.#input(() => {});
    const failure = this.#capture?.file.failure;
    if (failure === undefined) return;
    this.#options.log(failure.message);
    this.#capture?.abort();
    this.#capture = undefined;
  }

  /** A look at the machine from outside is no input: the log says nothing of it. */
  look<T>(act: () => T): T {
    this.#isLooking = true;
    try {
      return act();
    } finally {
      this.#isLooking = false;
    }
  }

  get subject(): SessionSubject {
    return this.#options.subject;
  }

  get transmitDiscipline(): Discipline {
    return present(this.#disciplines[0]);
  }

  get receiveDiscipline(): Discipline {
    return present(this.#disciplines[1]);
  }

  setWeight(index: number, weight: number): void {
    this.#input(() => {
      this.#recorder?.weight(index, weight);
      this.machine.setWeight(index, weight);
    });
  }

  setLimit(index: number, limitBps: number | undefined): void {
    this.#input(() => {
      this.#recorder?.limit(index, limitBps);
      this.machine.setLimit(index, limitBps);
    });
  }

  setPriority(index: number, priority: number): void {
    this.#input(() => {
      this.#recorder?.priority(index, priority);
      this.machine.setPriority(index, priority);
    });
  }

  setPolicy(policy: FaultPolicy): void {
    this.#input(() => {
      this.#recorder?.policy(policy);
      this.machine.setPolicy(policy);
    });
  }

  get capturing(): string | undefined {
    return this.#capture?.path;
  }

  /** Starts a capture, or completes the one that is being written. Returns its path while one is being written. */
  toggleCapture(): string | undefined {
    const { capture, snapBytes, force } = this.#options;
    if (this.#capture !== undefined) {
      this.#endCapture();
      return undefined;
    }
    const number = this.#captures + 1;
    const path = capture ?? 'serve.pcapng';
    const numbered = number === 1 ? path : path.replace(/(\.[^./]*)?$/u, `.${number}$1`);
    refuseForeignFiles([numbered], force);
    this.#capture = new LiveCapture(numbered, this.machine, snapBytes);
    // Counted when it is written: one that is refused may be tried again under the same name.
    this.#captures = number;
    return numbered;
  }

  /**
   * Ends everything: sockets, RAM files, log and capture. The log gets the session's fingerprint. Whatever cannot be written,
   * nothing is left behind. @throws the first that went wrong
   */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const failures: unknown[] = [];
    for (const step of [
      () => this.#clock.stop(),
      () => this.#closeSockets(),
      () => this.#endCapture(),
      () => this.#recorder?.end(this.machine.fingerprint.toString()),
      () => this.#removeFiles(),
    ]) {
      try {
        step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** @throws OutputFileError */
  #endCapture(): void {
    const capture = this.#capture;
    this.#capture = undefined;
    if (capture === undefined) return;
    capture.close();
    this.#options.log(`wrote ${capture.path} (${capture.frames} frames)`);
  }

  #closeSockets(): void {
    this.#descriptors?.close();
    for (const socket of this.#sockets) socket.close();
    this.#uplink.close();
  }

  #addSocket(index: number, name: string): void {
    const { log } = this.#options;
    const descriptors = this.#descriptors?.of(index, this.#rams[index]?.path ?? '');
    const client: SocketClient = {
      attached: (connection) => {
        let taken = false;
        let away = 'a second virtual machine was turned away';
        this.#input(() => {
          const guest = this.machine.guests[index];
          // One that is turned away changes nothing, and is no input.
          if (guest?.domain.state === 'killed')
            away = 'a virtual machine was turned away: the guest was killed';
          if (guest?.session !== undefined || guest?.domain.state === 'killed') return;
          this.#recorder?.attach(index);
          taken = this.machine.attach(index, {
            send: connection.send,
            close: (reason) => {
              log(`${name}: dropped: ${reason}`);
              connection.close(reason);
            },
            ...(descriptors === undefined ? {} : { descriptors }),
          });
        });
        log(taken ? `${name}: attached` : `${name}: ${away}`);
        return taken;
      },
      received: (bytes, numbers) => {
        let isTaken = false;
        this.#input(() => {
          // Its time may have run out just before these came.
          if (this.machine.guests[index]?.session === undefined) return;
          isTaken = true;
          const came = descriptors?.take(numbers) ?? [];
          if (came.length > 0)
            this.#recorder?.descriptors(
              index,
              came.map(({ ram }) => ram),
            );
          this.#recorder?.receive(index, bytes);
          this.machine.receive(index, bytes, came);
        });
        if (!isTaken) for (const descriptor of numbers) closeSync(descriptor);
        return this.#hasMore(index);
      },
      nextTurn: () => {
        this.#input(() => {
          if (!this.#hasMore(index)) return;
          this.#recorder?.receive(index, NOTHING);
          this.machine.receive(index, NOTHING);
        });
        return this.#hasMore(index);
      },
      detached: () => {
        this.#input(() => {
          this.#recorder?.detach(index);
          this.machine.detach(index);
        });
        descriptors?.releaseAll();
        log(`${name}: detached`);
      },
      slow: () =>
        this.#input(() => {
          this.#recorder?.slow(index);
          this.machine.slowReader(index);
        }),
    };
    this.#sockets.push(
      new GuestSocket(join(this.#socketFolder, `${name}.sock`), client, this.#descriptors?.reader),
    );
  }

  /** Whether a guest has sent more than was done in its turn. */
  #hasMore(index: number): boolean {
    const session = this.machine.guests[index]?.session;
    return !this.#stopped && session !== undefined && session.waitingMessages > 0;
  }

  /** Hands something to the machine at this moment, and lets it act on it. */
  #input(act: () => void): void {
    if (this.#stopped) return;
    try {
      this.#clock.advance();
      act();
      this.#clock.advance();
      // The guest's CPU stands still until its unmap is answered, which takes microseconds: no timer is that short.
      while (this.machine.awaitsInvalidation && !this.#stopped) this.#clock.advance();
      for (const socket of this.#sockets) socket.checkUnsent();
      this.#clock.arm();
    } catch (error) {
      this.#options.failed(error);
    }
  }

  #removeFiles(): void {
    for (const ram of this.#rams.splice(0)) ram.remove();
    rmSync(this.#ramFolder, { recursive: true, force: true });
    if (this.#ownsSocketFolder && this.#socketFolder !== '')
      rmSync(this.#socketFolder, { recursive: true, force: true });
  }
}

function ramBytes({ scenario }: SessionSubject): number {
  return scenario.guests.reduce(
    (sum, { attached, memoryMegabytes, count }) =>
      sum + (attached === true ? memoryMegabytes * count * 2 ** 20 : 0),
    0,
  );
}

/** A folder for sockets that only its owner can look into. @throws LiveError */
function socketFolder(given: string): string {
  const path = resolve(given);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new LiveError(
      `--dir is "${given}", which cannot be made (${(error as Error).message}), expected a folder`,
    );
  }
  const { mode, uid } = statSync(path);
  if (process.getuid !== undefined && uid !== process.getuid())
    throw new LiveError(`--dir is "${given}", which belongs to another user, expected a folder of your own`);
  if ((mode & 0o022) !== 0)
    throw new LiveError(
      `--dir is "${given}", where others may write, expected a folder that only you can change`,
    );
  return path;
}
