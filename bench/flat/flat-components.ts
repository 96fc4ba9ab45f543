/** The reference, as a profile names it. */
export const FLAT_FILE = 'bench/flat/flat-machine.ts';

/** What each function of the reference does, by the component that does it in the emulator. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  'scheduler: event kernel': 'deliver run post append pullFar before',
  'scheduler: disciplines': 'visit pushBack pushFront unlink chargeGrant',
  'scheduler: grants and streams': 'ringScheduler requestDecision onDecide',
  nic:
    'dma startRead startWrite send freeLinkLater bytesOf beginRun cutRun onLinkFree endRun carryPcie endUp carryWire ' +
    'onFinish consider onFetched refreshHead headOf take onRead pump onDepart considerWriteBack onCoalesced writeBack ' +
    'onStatus requestInterrupt sendVector onVector onRegister onDecode',
  'host: bus and memory': 'onArrive readIn writtenIn complete writeVector writeRegister',
  'host: iommu':
    'translate startWalk startOfWalk settleWalks find insert remove #drop #chain onCommandFetched onCommandDone ' +
    'kickCommands',
  'host: protection':
    'postFrames releaseFinished unmapFinished armRelease onReleaseDue mapPage unmapPage tableWord submitCommand ' +
    'writeCommand feedCommands submitWait reportWaits takeIova freeIova elapsedNs',
  'host: cpu': 'charge owe wake makeReady cpuPost cpuPostHypervisor onCpu',
  'host: hypervisor': 'onIsr',
  guests: 'wantTransmit onTransmitWork onInterrupt onPoll reclaim pull',
};

const COMPONENT_OF: ReadonlyMap<string, string> = new Map(
  Object.entries(FUNCTIONS).flatMap(([component, names]) =>
    names.split(' ').map((name): [string, string] => [name, component]),
  ),
);

/** The component of a function of the reference; undefined for one that has none, as set-up has none. */
export function flatComponentOf(name: string): string | undefined {
  return COMPONENT_OF.get(name);
}
