import { describe, expect, it } from 'vitest';
import { makeProtection, NAMED_APPROACHES } from '../../../host/protection/approaches.js';

describe('approaches by name', () => {
  it.each(NAMED_APPROACHES.map(({ name }) => name))('%s is made, as the one that it is', (name) => {
    const plan = makeProtection(name);
    expect(plan.name).toBe(name);
  });

  it.each(['', 'iommu', 'iommu:lazy', 'CDNA', 'toString'])(
    '%o is none, and the message has those that are',
    (name) => {
      let message = '';
      try {
        makeProtection(name);
      } catch (error) {
        message = String(error);
      }
      expect(message).toContain(`protection is "${name}", expected one of: none, dev, nodma`);
      for (const approach of NAMED_APPROACHES) expect(message).toContain(approach.name);
    },
  );

  it('what only a real guest can drive is named as that', () => {
    expect(() => makeProtection('iommu:guest')).toThrow(
      /which exists in serve and replay alone, because a real guest drives it/u,
    );
  });
});
