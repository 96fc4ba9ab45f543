import { APPROACHES } from '../../../host/protection/approaches.js';
import { protectionSpecs } from './specs.js';

for (const { name, make, claims } of APPROACHES)
  if (name.includes('iommu')) protectionSpecs(name, make, claims);
