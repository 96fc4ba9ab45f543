import { describe, expect, test } from 'vitest';
import type { Grant } from '../../scheduler/dma-scheduler.js';
import { either } from '../support/whole.js';
import { LawBook } from './law-book.js';
import { type CapturedPass, pairGaps, runLab } from './nic-fairness-lab.js';
import {
  contests,
  type FairnessTrial,
  holdToBound,
  onWire,
  PROTECTIONS,
  padded,
  receiveAddition,
  receivePlan,
  transmitAddition,
  transmitPlan,
} from './nic-fairness-plans.js';

const laws = new LawBook('fairness of the whole card');
/** Most contexts of one card. */
const MANY = either(256, 96);

function holdTransmit(
  contest: FairnessTrial,
  durationNs: number,
  substance: () => void,
  linkBps = 1e9,
): void {
  const { senders, creditBytes } = contest;
  const smallest = Math.min(...senders.map(({ frameBytes }) => padded(frameBytes)));
  const { transmitted, transmitWatch } = runLab({ ...transmitPlan(contest, durationNs), linkBps });
  const { pairs } = holdToBound(
    transmitted,
    transmitWatch,
    (context) => onWire(senders[context]?.frameBytes ?? 60),
    (wi, wj) => transmitAddition(creditBytes, smallest, wi, wj),
  );
  if (pairs > 0 && transmitted.length > 20) substance();
}

function holdReceive(contest: FairnessTrial, durationNs: number, substance: () => void): void {
  const { senders, creditBytes } = contest;
  const { received, receiveWatch } = runLab(receivePlan(contest, durationNs));
  const { pairs } = holdToBound(
    received,
    receiveWatch,
    (context) => padded(senders[context]?.frameBytes ?? 60),
    (wi, wj) => receiveAddition(creditBytes, wi, wj),
  );
  if (pairs > 0 && received.length > 20) substance();
}

describe('the bytes on the wire, as the capture has them', () => {
  laws.law('2 to 12 contexts keep the bound and C / min(w)', contests(2, 12), 30, (contest, substance) =>
    holdTransmit(contest, 2_000_000, substance),
  );

  laws.law(
    `64 to ${MANY} contexts keep the bound and C / min(w)`,
    contests(64, MANY),
    3,
    (contest, substance) => holdTransmit(contest, either(3_000_000, 1_500_000), substance),
  );

  laws.law(
    'wfq does too, whatever the frames, since it counts what the wire carries (Parekh and Gallager)',
    contests(2, 12, ['wfq']),
    15,
    (contest, substance) => holdTransmit(contest, 2_000_000, substance),
  );

  laws.law(
    'into memory: 2 to 12 contexts keep the bound and R (1/w + 1/w)',
    contests(2, 12),
    30,
    (contest, substance) => holdReceive(contest, 1_500_000, substance),
  );

  laws.law(
    `into memory: 64 to ${MANY} contexts keep the bound and R (1/w + 1/w)`,
    contests(64, MANY),
    3,
    (contest, substance) => holdReceive(contest, either(1_500_000, 1_000_000), substance),
  );
});

const LATECOMER_NS = either(3_000_000, 2_000_000);

/** One context alone, and from 1 ms on another one of much larger weight. */
function latecomer(protection: string, creditBytes: number): FairnessTrial {
  return {
    senders: [
      { weight: 1, frameBytes: 1514, bursts: false, startNs: 0 },
      { weight: 50, frameBytes: 1514, bursts: false, startNs: 1_000_000 },
    ],
    quantumBytes: 1514,
    creditBytes,
    discipline: 'drr',
    protection,
    seed: 1,
  };
}

/** Largest sum of granted minus passed bytes at any moment. */
function mostInFlight(grants: readonly Grant[], passes: readonly CapturedPass[]): number {
  let inFlight = 0;
  let most = 0;
  let passed = 0;
  for (const { bytes, atNs } of grants) {
    for (let pass = passes[passed]; pass !== undefined && pass.atNs <= atNs; pass = passes[passed]) {
      inFlight -= pass.frameBytes;
      passed += 1;
    }
    inFlight += bytes;
    most = Math.max(most, inFlight);
  }
  return most;
}

describe('what the card adds to a bound, and that it is no more than that and hardly less', () => {
  for (const protection of PROTECTIONS) {
    test.each([9018, 16_384, 65_536])(`transmit credit of %d bytes, ${protection}`, (creditBytes) => {
      const grants: Grant[] = [];
      const plan = transmitPlan(latecomer(protection, creditBytes), LATECOMER_NS);
      const { transmitted, transmitWatch } = runLab({
        ...plan,
        prepare: ({ host }) => {
          host.nic.grants$.subscribe((grant) => grants.push(grant));
        },
      });
      const inFlight = mostInFlight(grants, transmitted);
      expect(inFlight).toBeLessThanOrEqual(creditBytes);
      expect(inFlight).toBeGreaterThan(creditBytes - 1514);

      const [{ gapBytes } = { gapBytes: 0 }] = pairGaps(transmitted, transmitWatch);
      // Shreedhar and Varghese, with a deficit below a frame.
      const bound = 1514 + 1537 + 1537 / 50;
      expect(gapBytes).toBeLessThanOrEqual(bound + (creditBytes * 1538) / 1514);
      expect(gapBytes).toBeGreaterThan(creditBytes - 1514);
      // Without the addition the law would be broken, so a card that granted further ahead would break it with it.
      expect(gapBytes).toBeGreaterThan(bound);
    });

    test.each([9018, 65_536])(`receive credit of %d bytes, ${protection}`, (creditBytes) => {
      const grants: Grant[] = [];
      const plan = receivePlan(latecomer(protection, creditBytes), LATECOMER_NS);
      const { received, receiveWatch } = runLab({
        ...plan,
        prepare: ({ host }) => {
          host.nic.receiveGrants$.subscribe((grant) => grants.push(grant));
        },
      });
      const inFlight = mostInFlight(grants, received);
      expect(inFlight).toBeLessThanOrEqual(creditBytes);
      expect(inFlight).toBeGreaterThan(creditBytes - 2 * 1514);
      const [{ gapBytes } = { gapBytes: 0 }] = pairGaps(received, receiveWatch);
      const bound = 1514 + 1513 + 1513 / 50;
      expect(gapBytes).toBeLessThanOrEqual(bound + creditBytes * (1 + 1 / 50));
      expect(gapBytes).toBeGreaterThan(creditBytes - 3 * 1514);
      expect(gapBytes).toBeGreaterThan(bound);
    });
  }
});

describe('what the measure can tell', () => {
  const pair: FairnessTrial = {
    senders: [
      { weight: 1, frameBytes: 9018, bursts: false, startNs: 0 },
      { weight: 1, frameBytes: 60, bursts: false, startNs: 0 },
    ],
    quantumBytes: 9018,
    creditBytes: 9018,
    discipline: 'drr',
    protection: 'cdna',
    seed: 1,
  };
  const drrBound = 9018 + 9041 + 83;
  const creditOnWire = (9018 * 84) / 60;

  test('packet round robin is no deficit round robin: the large frames win by far more than bound and credit', () => {
    const gapOf = (discipline: string) => {
      const { transmitted, transmitWatch } = runLab(transmitPlan({ ...pair, discipline }, 3_000_000));
      return pairGaps(transmitted, transmitWatch)[0]?.gapBytes ?? 0;
    };
    expect(gapOf('drr')).toBeLessThanOrEqual(drrBound + creditOnWire);
    expect(gapOf('prr')).toBeGreaterThan(5 * (drrBound + creditOnWire));
  });

  test('wfq breaks its bound into memory, where the link is slower than the rate that it was told', () => {
    const fractionOf = (discipline: string) => {
      const { received, receiveWatch } = runLab(receivePlan({ ...pair, discipline, seed: 0 }, 2_000_000));
      const [one, other] = pair.senders.map(({ weight, frameBytes }) => ({
        weight,
        maxFrameBytes: frameBytes,
      }));
      if (one === undefined || other === undefined) throw new Error('two senders expected');
      const [{ gapBytes } = { gapBytes: 0 }] = pairGaps(received, receiveWatch);
      const bound = receiveWatch.relativeFairnessBoundBytes(one, other);
      return gapBytes / (bound + receiveAddition(pair.creditBytes, 1, 1));
    };
    expect(fractionOf('sfq')).toBeLessThanOrEqual(1);
    expect(fractionOf('wfq')).toBeGreaterThan(1);
  });
});

laws.close();
