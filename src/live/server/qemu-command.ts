/** What a guest's virtual machine is started with. */
export interface GuestCommand {
  readonly memoryMegabytes: number;
  readonly ramPath: string;
  readonly socketPath: string;
  /** The machine has an IOMMU of its own, and the card is behind it. */
  readonly ownIommu: boolean;
}

/**
 * The command line of QEMU (10.1 or later) that plugs a virtual machine into a guest's context. What boots, and how its
 * console is reached, follows behind it.
 */
export function guestCommand({ memoryMegabytes, ramPath, socketPath, ownIommu }: GuestCommand): string[] {
  return [
    'qemu-system-x86_64',
    ...['-M', 'q35,memory-backend=ram'],
    ...['-m', `${memoryMegabytes}M`],
    ...[
      '-object',
      `memory-backend-file,id=ram,size=${memoryMegabytes}M,mem-path=${optionValue(ramPath)},share=on`,
    ],
    // In caching mode the guest tells its unit of new mappings too, which is when QEMU passes them on.
    ...(ownIommu ? ['-device', 'intel-iommu,caching-mode=on,intremap=off'] : []),
    ...[
      '-device',
      JSON.stringify({ driver: 'vfio-user-pci', rombar: 0, socket: { type: 'unix', path: socketPath } }),
    ],
  ];
}

/** The command line of a QEMU without a machine that gives guests a way out of the wire, without root. */
export function uplinkCommand(socketPath: string): string[] {
  return [
    'qemu-system-x86_64',
    ...['-M', 'none', '-nodefaults', '-nographic', '-monitor', 'none'],
    ...['-netdev', 'user,id=out,net=10.77.0.0/24,host=10.77.0.254'],
    ...['-netdev', `stream,id=wire,server=off,addr.type=unix,addr.path=${optionValue(socketPath)}`],
    ...['-netdev', 'hubport,id=a,hubid=0,netdev=out', '-netdev', 'hubport,id=b,hubid=0,netdev=wire'],
  ];
}

/** A value within an option of QEMU, where a comma ends it unless it is doubled. */
function optionValue(value: string): string {
  return value.replaceAll(',', ',,');
}

/** Words as a shell takes them: only those in quotes that need it. */
export function shellLine(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}
