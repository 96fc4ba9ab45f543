import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** What is unpacked by fetch-debian.sh. */
export interface GuestPackages {
  readonly folder: string;
  readonly suite: 'trixie' | 'bookworm';
}

/** A file of the image: its path in the guest, mode and bytes, or where a link leads. */
interface Entry {
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
}

const FILE = 0o100755;
const DIRECTORY = 0o040755;
const LINK = 0o120777;

/** Modules of a stock kernel that virtio_net over PCI needs, in the order of their dependencies. */
const MODULES = [
  'virtio',
  'virtio_ring',
  'virtio_pci_legacy_dev',
  'virtio_pci_modern_dev',
  'virtio_pci',
  'failover',
  'net_failover',
  'virtio_net',
];
const PROGRAMS = ['iperf3', 'ethtool'];

/** The guest's only process: brings up the network, runs what its command line says, and powers off. */
const INIT = `#!/bin/sh
export PATH=/bin:/usr/bin:/sbin
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev 2>/dev/null
for m in $(cat /modules/order); do insmod /modules/$m || echo "GUEST insmod $m failed"; done
for word in $(cat /proc/cmdline); do case $word in ip=*) IP=\${word#ip=};; run=*) RUN=\${word#run=};; esac; done
ip link set lo up
N=0; while [ ! -e /sys/class/net/eth0 ] && [ $N -lt 50 ]; do sleep 0.1; N=$((N+1)); done
[ -n "$IP" ] && ip addr add $IP dev eth0 && ip link set eth0 up
echo "GUEST ready $(uname -r)"
[ -n "$RUN" ] && eval "$(echo $RUN | base64 -d)"
echo "GUEST done"
poweroff -f
`;

/** The kernel's image and version. */
export function kernelOf({ folder, suite }: GuestPackages): {
  readonly image: string;
  readonly version: string;
} {
  const boot = join(folder, `kernel-${suite}`, 'boot');
  const image = readdirSync(boot).find((name) => name.startsWith('vmlinuz-'));
  if (image === undefined) throw new Error(`${boot} holds no kernel`);
  return { image: join(boot, image), version: image.slice('vmlinuz-'.length) };
}

/** Writes an initial RAM disk with busybox, iperf3, the modules and INIT. `extra` are modules of our own. */
export function buildImage(packages: GuestPackages, target: string, extra: readonly string[] = []): void {
  const entries: Entry[] = [];
  const made = new Set<string>();
  const add = (path: string, mode: number, data: Uint8Array) => {
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      const parent = path.slice(0, at);
      if (made.has(parent)) continue;
      made.add(parent);
      entries.push({ path: parent, mode: DIRECTORY, data: new Uint8Array(0) });
    }
    if (made.has(path)) return;
    made.add(path);
    entries.push({ path, mode, data });
  };
  for (const folder of ['proc', 'sys', 'dev', 'tmp', 'usr/bin', 'sbin'])
    add(`${folder}/.`, DIRECTORY, new Uint8Array(0));
  const guest = join(packages.folder, 'guest');
  add('bin/busybox', FILE, readFileSync(firstOf(join(guest, 'usr/bin/busybox'), join(guest, 'bin/busybox'))));
  add('bin/sh', LINK, new TextEncoder().encode('busybox'));
  const loader = join(guest, 'usr/lib64/ld-linux-x86-64.so.2');
  for (const name of PROGRAMS) {
    const program = firstOf(join(guest, 'usr/bin', name), join(guest, 'usr/sbin', name));
    add(`usr/bin/${name}`, FILE, readFileSync(program));
    for (const library of librariesOf(guest, loader, program)) {
      add(`usr/lib/x86_64-linux-gnu/${basename(library)}`, FILE, readFileSync(library));
    }
  }
  // The C library loads it by itself, when a thread is cancelled.
  const unwinder = 'usr/lib/x86_64-linux-gnu/libgcc_s.so.1';
  add(unwinder, FILE, readFileSync(join(guest, unwinder)));
  add('lib64/ld-linux-x86-64.so.2', FILE, readFileSync(loader));
  add('etc/ld.so.conf', FILE, new TextEncoder().encode('/usr/lib/x86_64-linux-gnu\n'));
  const modules = [...MODULES.map((name) => moduleOf(packages, name)), ...extra].filter(
    (path) => path !== undefined,
  );
  for (const path of modules) add(`modules/${moduleName(path)}`, FILE, moduleBytes(path));
  add('modules/order', FILE, new TextEncoder().encode(modules.map(moduleName).join('\n')));
  add('init', FILE, new TextEncoder().encode(INIT));
  writeFileSync(target, gzipSync(archive(entries), { level: 1 }));
}

/** Where a module lies; undefined when it is built into the kernel. */
function moduleOf(packages: GuestPackages, name: string): string | undefined {
  const { version } = kernelOf(packages);
  const root = [
    join(packages.folder, `kernel-${packages.suite}`, 'usr/lib/modules', version),
    join(packages.folder, `kernel-${packages.suite}`, 'lib/modules', version),
  ].find((path) => existsSync(path));
  if (root === undefined) throw new Error(`no modules of ${version}`);
  const found = readdirSync(join(root, 'kernel/drivers'), { recursive: true, encoding: 'utf8' }).find(
    (path) => new RegExp(`(^|/)${name}\\.ko(\\.xz)?$`, 'u').test(path),
  );
  if (found !== undefined) return join(root, 'kernel/drivers', found);
  const net = readdirSync(join(root, 'kernel/net'), { recursive: true, encoding: 'utf8' }).find((path) =>
    new RegExp(`(^|/)${name}\\.ko(\\.xz)?$`, 'u').test(path),
  );
  return net === undefined ? undefined : join(root, 'kernel/net', net);
}

function moduleName(path: string): string {
  return basename(path).replace(/\.xz$/u, '');
}

function moduleBytes(path: string): Uint8Array {
  if (!path.endsWith('.xz')) return readFileSync(path);
  return execFileSync('xz', ['-dc', path], { maxBuffer: 2 ** 26 });
}

/** Shared libraries of a program, as the loader of its own distribution finds them. */
function librariesOf(root: string, loader: string, program: string): string[] {
  const path = join(root, 'usr/lib/x86_64-linux-gnu');
  const listed = execFileSync(loader, ['--library-path', path, '--list', program], { encoding: 'utf8' });
  return [...listed.matchAll(/=> (\/\S+)/gu)].map((match) => match[1] ?? '').filter((name) => name !== '');
}

function firstOf(...paths: readonly string[]): string {
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`none of ${paths.join(', ')} is there`);
  return found;
}

/** A cpio archive in the format that the kernel unpacks ("newc"). */
function archive(entries: readonly Entry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const padded = (bytes: Uint8Array) => {
    parts.push(bytes);
    if (bytes.length % 4 !== 0) parts.push(new Uint8Array(4 - (bytes.length % 4)));
  };
  for (const [index, { path, mode, data }] of [
    ...entries.filter(({ path }) => !path.endsWith('/.')),
    { path: 'TRAILER!!!', mode: 0, data: new Uint8Array(0) },
  ].entries()) {
    const name = new TextEncoder().encode(`${path}\0`);
    const numbers = [index + 1, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
    const header = `070701${numbers.map((value) => value.toString(16).padStart(8, '0')).join('')}`;
    padded(new Uint8Array([...new TextEncoder().encode(header), ...name]));
    padded(data);
  }
  return Buffer.concat(parts);
}
