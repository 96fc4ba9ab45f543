import type { IommuProtection } from '../../host/protection/iommu/iommu-protection.js';
import type { VtdDriver } from '../../host/protection/iommu/vtd-driver.js';
import type { NoDmaProtection } from '../../host/protection/nodma/no-dma.js';
import type { Protection } from '../../host/protection/protection.js';
import { type HostPhysicalAddress, hostPhysicalAddress, pageAddress, pageOf } from '../../nic/addresses.js';
import { MANAGEMENT } from '../../nic/registers.js';
import type { AttackScenario } from './attack-scenario.js';
import { isContextPort } from './raw-ring.js';

/** A structure in memory on which protection itself depends. */
export interface Structure {
  readonly label: string;
  readonly address: HostPhysicalAddress;
}

/** The tables that an approach keeps in memory to decide by: translation tables, exclusion vectors, descriptor rings. */
export function decidingTables(scene: AttackScenario): Structure[] {
  const { protection } = scene.host;
  if (isNoDma(protection)) return [{ label: 'NoDMA table', address: protection.measured.table.base }];
  const label = iommuOf(scene) === undefined ? 'exclusion vector' : 'root table of the IOMMU';
  const tables = scene.hypervisorPages('io-table').map((page) => ({ label, address: pageAddress(page) }));
  const { port } = scene.victim;
  const first = tables.slice(0, 1);
  const rings = isContextPort(port) ? port.ringMemory : undefined;
  if (rings !== undefined && scene.host.pages.kind(pageOf(rings.address)) !== 'guest')
    first.push({ label: 'descriptor ring that the hypervisor writes', address: rings.address });
  return first;
}

/** Where the invalidation queue lies; undefined for an approach without one. */
export function invalidationQueue(scene: AttackScenario): Structure | undefined {
  const driver = iommuOf(scene)?.driver;
  if (driver === undefined || !isVtd(driver)) return undefined;
  const address = hostPhysicalAddress(Number(driver.unit.registers.read64(IQA)));
  return { label: 'invalidation queue', address: pageAddress(pageOf(address)) };
}

/** The ring into which the card writes its interrupt vectors, in memory of the hypervisor. */
export function vectorRing({ host: { window } }: AttackScenario): Structure {
  const register = (name: 'VECTOR_RING_LOW' | 'VECTOR_RING_HIGH') =>
    window.readNow(window.managementPage, MANAGEMENT[name]);
  const address = register('VECTOR_RING_HIGH') * 2 ** 32 + register('VECTOR_RING_LOW');
  // Every approach gives the card this ring at its physical address.
  return { label: 'interrupt vector ring', address: hostPhysicalAddress(address) };
}

/** VT-d: invalidation queue address register. */
const IQA = 0x90;

/** The IOMMU of the machine, if its approach has one. */
export function iommuOf({ host: { protection } }: AttackScenario): IommuProtection | undefined {
  return isIommu(protection) ? protection : undefined;
}

// Told apart by what they have and not by their class: see `isContextPort`.

function isNoDma(protection: Protection): protection is NoDmaProtection {
  return 'measured' in protection;
}

function isIommu(protection: Protection): protection is IommuProtection {
  return 'driver' in protection;
}

function isVtd(driver: IommuProtection['driver']): driver is VtdDriver {
  return driver.vendor === 'vtd';
}
