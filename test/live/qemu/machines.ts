import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildImage, type GuestPackages, kernelOf } from './guest-image.js';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const BUILD_DRIVER = join(REPOSITORY, 'test/live/build-driver.sh');
const FETCH = join(REPOSITORY, 'test/live/fetch-debian.sh');

/** A stock kernel and what it boots into. */
export interface GuestSystem {
  readonly suite: GuestPackages['suite'];
  readonly kernel: string;
  /** As `uname -r` says, e.g. 6.1.0-50-cloud-amd64. */
  readonly version: string;
  readonly initrd: string;
}

/** What QEMU tests need, or why they are skipped. */
export type Testbed =
  | {
      readonly ok: true;
      readonly qemu: readonly string[];
      /** What boots, newest first: a kernel and an initial RAM disk with its modules. */
      readonly systems: readonly GuestSystem[];
    }
  | { readonly ok: false; readonly reason: string };

/**
 * Finds QEMU and the packages of the guests. `CDNA_GUESTS` names the folder that fetch-debian.sh has filled; it is filled
 * here when CDNA_QEMU=fetch. Without either the tests are skipped, and say so.
 */
export function findTestbed(): Testbed {
  const folder = packagesFolder();
  if (process.env.CDNA_QEMU === 'fetch') {
    const fetched = spawnSync('bash', [FETCH, folder, 'qemu', 'guest', 'kernel'], { encoding: 'utf8' });
    if (fetched.status !== 0) return { ok: false, reason: fetched.stderr.trim() || 'fetch-debian.sh failed' };
  }
  if (!existsSync(join(folder, 'kernel-trixie/boot')) || !existsSync(join(folder, 'guest/usr/bin/iperf3')))
    return { ok: false, reason: `no guest in ${folder}; test/live/fetch-debian.sh fetches one` };
  const own = join(folder, 'qemu');
  const qemu =
    process.env.CDNA_QEMU !== undefined && process.env.CDNA_QEMU !== 'fetch'
      ? [process.env.CDNA_QEMU]
      : existsSync(join(own, 'usr/bin/qemu-system-x86_64'))
        ? [
            join(own, 'usr/lib64/ld-linux-x86-64.so.2'),
            '--library-path',
            join(own, 'usr/lib/x86_64-linux-gnu'),
            join(own, 'usr/bin/qemu-system-x86_64'),
            ...['-L', join(own, 'usr/share/qemu'), '-L', join(own, 'usr/share/seabios')],
          ]
        : ['qemu-system-x86_64'];
  const [program = '', ...options] = qemu;
  const devices = spawnSync(program, [...options, '-device', 'help'], { encoding: 'utf8' });
  if (!(devices.stdout ?? '').includes('vfio-user-pci'))
    return {
      ok: false,
      reason: `${qemu.at(-1) ?? program} knows no vfio-user-pci (QEMU 10.1 or later does)`,
    };
  const images = mkdtempSync(join(tmpdir(), 'cdna-initrd-'));
  process.on('exit', () => rmSync(images, { recursive: true, force: true }));
  const suites = (['trixie', 'bookworm'] as const).filter((suite) =>
    existsSync(join(folder, `kernel-${suite}/boot`)),
  );
  const systems = suites.map((suite) => {
    const packages: GuestPackages = { folder, suite };
    const initrd = join(images, `${suite}.gz`);
    buildImage(packages, initrd);
    const { image, version } = kernelOf(packages);
    return { suite, kernel: image, version, initrd };
  });
  return { ok: true, qemu, systems };
}

/** Where fetch-debian.sh has unpacked what it fetched. */
function packagesFolder(): string {
  return process.env.CDNA_GUESTS ?? join(REPOSITORY, '.cache/guests');
}

/** A testbed that can be used. */
export type ReadyTestbed = Extract<Testbed, { ok: true }>;

/**
 * The same testbed with the driver of guests/linux in its images, attack and all, built for each kernel; `skipped` is told
 * why one is left out: it has no headers, or there is no make. @throws Error when the driver does not build.
 */
export function withDriver(testbed: ReadyTestbed, skipped: (reason: string) => void): ReadyTestbed {
  const folder = packagesFolder();
  const made = mkdtempSync(join(tmpdir(), 'cdna-driver-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  const systems: GuestSystem[] = [];
  for (const system of testbed.systems) {
    const { suite } = system;
    const initrd = join(made, `${suite}.gz`);
    const module = join(made, suite, 'cdna_nic.ko');
    mkdirSync(join(made, suite));
    const words = [BUILD_DRIVER, folder, suite, module, 'CDNA_ATTACK=1'];
    const { status, stderr } = spawnSync('bash', words, { encoding: 'utf8' });
    if (status === 75) {
      skipped(stderr.trim());
      continue;
    }
    if (status !== 0) throw new Error(`guests/linux does not build for ${suite}:\n${stderr}`);
    buildImage({ folder, suite }, initrd, [module]);
    systems.push({ ...system, initrd });
  }
  return { ...testbed, systems };
}

/** One second of `serve --json`. */
export interface Sample {
  readonly atNs: number;
  readonly wireBps: number;
  readonly guests: readonly {
    readonly name: string;
    readonly state: string;
    readonly weight: number;
    readonly sentBps: number;
    readonly share: number;
    readonly backlogged: number;
    readonly faults: number;
  }[];
  readonly mappingsPerFrame?: {
    readonly pagesMapped: number;
    readonly pagesUnmapped: number;
    readonly invalidations: number;
  };
}

/** A running `serve`, and the virtual machines that are plugged into it. */
export class Served {
  readonly folder = mkdtempSync(join(tmpdir(), 'cdna-served-'));
  readonly samples: Sample[] = [];
  errors = '';
  readonly #testbed: ReadyTestbed;
  readonly #serve: ChildProcess;
  readonly #machines = new Map<string, ChildProcess>();
  #rest = '';

  constructor(testbed: ReadyTestbed, scenario: string, options: readonly string[]) {
    this.#testbed = testbed;
    this.#serve = spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        'src/cli/main.ts',
        'serve',
        scenario,
        '--json',
        '--dir',
        join(this.folder, 's'),
        ...options,
      ],
      { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#serve.stdout?.on('data', (bytes: Buffer) => {
      const lines = (this.#rest + bytes.toString()).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.samples.push(JSON.parse(line) as Sample);
    });
    this.#serve.stderr?.on('data', (bytes: Buffer) => {
      this.errors += bytes.toString();
    });
  }

  get exitCode(): number | null {
    return this.#serve.exitCode;
  }

  /** Starts the machine of a guest with an address, a shell command and words for its kernel. Its console goes to a file. */
  boot(
    name: string,
    address: string,
    command: string,
    kernelWords = '',
    suite: GuestSystem['suite'] = 'trixie',
  ): void {
    const line = this.#commandOf(name);
    const system = this.#testbed.systems.find((one) => one.suite === suite);
    if (system === undefined) throw new Error(`no kernel of ${suite}`);
    const words = [...line.matchAll(/'([^']*)'|(\S+)/gu)].map((match) => match[1] ?? match[2] ?? '').slice(1);
    const run = Buffer.from(command).toString('base64');
    const [program = '', ...options] = this.#testbed.qemu;
    rmSync(this.#console(name), { force: true });
    const machine = spawn(
      program,
      [
        ...options,
        ...['-accel', 'tcg', '-nographic', '-nodefaults', '-no-reboot', ...words],
        ...['-kernel', system.kernel, '-initrd', system.initrd, '-serial', `file:${this.#console(name)}`],
        ...[
          '-append',
          `console=ttyS0 quiet panic=-1 no_timer_check ${kernelWords} ip=${address}/24 run=${run}`,
        ],
      ],
      { stdio: 'ignore' },
    );
    this.#machines.set(name, machine);
  }

  /** The file that holds the RAM of a guest. */
  ramPath(name: string): string {
    return /mem-path=([^,']+)/u.exec(this.#commandOf(name))?.[1] ?? '';
  }

  /** Kills a machine as a power cut does. */
  kill(name: string): void {
    this.#machines.get(name)?.kill('SIGKILL');
  }

  console(name: string): string {
    return existsSync(this.#console(name)) ? readFileSync(this.#console(name), 'utf8') : '';
  }

  /** Waits until something holds. @throws Error with what everyone said when it does not in time. */
  async until(what: string, holds: () => boolean, seconds = 120): Promise<void> {
    for (let tenth = 0; tenth < seconds * 10; tenth += 1) {
      if (holds()) return;
      if (this.#serve.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const consoles = [...this.#machines.keys()].map((name) => `${name}: ${this.console(name).slice(-800)}`);
    throw new Error(`${what}: not within ${seconds} s\n${this.errors}\n${consoles.join('\n')}`);
  }

  /** Ends machines and server; the server's exit code. */
  async end(): Promise<number> {
    for (const machine of this.#machines.values()) machine.kill('SIGKILL');
    this.#serve.kill('SIGTERM');
    if (this.#serve.exitCode === null) await new Promise((resolve) => this.#serve.once('exit', resolve));
    rmSync(this.folder, { recursive: true, force: true });
    return this.#serve.exitCode ?? -1;
  }

  #commandOf(name: string): string {
    const line = this.errors.split('\n').find((_text, at, all) => all[at - 1] === `# ${name}:`);
    if (line === undefined) throw new Error(`serve has printed no command for ${name}: ${this.errors}`);
    return line;
  }

  #console(name: string): string {
    return join(this.folder, `${name}.console`);
  }
}
