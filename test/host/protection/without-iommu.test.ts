import { APPROACHES } from '../../../host/protection/approaches.js';
import { DriverDomain } from '../../../host/protection/driver-domain/driver-domain.js';
import { protectionSpecs } from './specs.js';

for (const { name, make, claims } of APPROACHES)
  if (!name.includes('iommu')) protectionSpecs(name, make, claims);

const bridged = APPROACHES.find(({ name }) => name === 'driver-domain');
if (bridged === undefined) throw new Error('no driver domain among the approaches');
protectionSpecs(
  'driver-domain that flips pages',
  () => new DriverDomain({ transfer: 'flip' }),
  bridged.claims,
);
