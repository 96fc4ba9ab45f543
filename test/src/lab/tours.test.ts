import { describe, expect, it } from 'vitest';
import { filmAttack } from '../../../src/lab/attack-film.js';
import { CATALOGUE } from '../../../src/lab/catalogue.js';
import { LabMachine } from '../../../src/lab/lab-machine.js';
import { checkPlan, type LabPlan } from '../../../src/lab/plan.js';
import { ShownMachine } from '../../../src/lab/shown-machine.js';
import { TOURS, tourOf } from '../../../src/lab/tours/index.js';
import { judgeAnswer } from '../../../src/lab/tours/tour.js';

function stateAfter(plan: LabPlan | undefined, change: Partial<LabPlan>, ns: number) {
  if (plan === undefined) throw new Error('no plan');
  const shown = new ShownMachine(checkPlan({ ...plan, ...change }), new Map());
  shown.lab.runTo(ns);
  return shown.state().snapshot;
}

describe('the guided tours', () => {
  it('are six, and every machine, attack, guest and answer that they name exists', () => {
    expect(TOURS).toHaveLength(6);
    const approaches = CATALOGUE.approaches.map(({ name }) => name);
    const disciplines = CATALOGUE.disciplines.map(({ name }) => name);
    for (const { plans, steps, question } of TOURS) {
      for (const plan of [...plans, ...steps.flatMap((step) => step.plans ?? [])])
        new LabMachine(checkPlan(plan)).close();
      for (const act of steps.flatMap(({ acts = [] }) => acts)) {
        if (act.kind === 'attack') {
          expect(CATALOGUE.attacks.map(({ name }) => name)).toContain(act.attack);
          expect(approaches).toContain(act.approach);
        }
        if (act.kind === 'follow')
          expect(plans[0]?.scenario.guests.map(({ name }) => name)).toContain(act.guest);
      }
      for (const setting of question.answers.flatMap(({ oneOf }) => oneOf)) {
        if (question.knob === 'approach') expect(approaches).toContain(setting);
        if (question.knob === 'discipline') expect(disciplines).toContain(setting);
      }
      expect(question.answers.some(({ isRight }) => isRight)).toBe(true);
    }
  });

  it('take less than five minutes each: read at 180 words a minute, with a quarter of a minute to watch at each step', () => {
    for (const { id, steps, question } of TOURS) {
      const answer = question.answers.find(({ isRight }) => isRight)?.says ?? '';
      const texts = [
        ...steps.flatMap(({ title, text }) => [title, ...text]),
        question.text,
        question.hint,
        answer,
      ];
      const words = texts.join(' ').split(/\s+/u).length;
      expect(words / 180 + (steps.length + 1) * 0.25, id).toBeLessThan(5);
    }
  });

  it('say nothing of a knob that has not been turned, and judge each setting', () => {
    const { question, plans } = tourOf('fair-scheduling') ?? {};
    const [asked] = plans ?? [];
    if (question === undefined || asked === undefined) throw new Error('no such tour');
    expect(judgeAnswer(question, asked, asked)).toBeUndefined();
    expect(judgeAnswer(question, asked, { ...asked, discipline: 'drr' })?.isRight).toBe(true);
    expect(judgeAnswer(question, asked, { ...asked, discipline: 'prr' })?.isRight).toBe(false);
    // Another knob than the one that is asked for is no answer.
    expect(judgeAnswer(question, asked, { ...asked, approach: 'none' })).toBeUndefined();
  });

  it('end their attacks as the text beside them says', () => {
    const expected: Readonly<Record<string, string>> = {
      'plain-dma foreign-page-read none': 'succeeded',
      'dev-and-nodma foreign-page-read dev': 'blocked-at-access',
      'dev-and-nodma foreign-page-crowd dev': 'succeeded',
      'dev-and-nodma hypervisor-page nodma': 'blocked-at-access',
      'strategies own-page-after-unmap iommu:deferred': 'succeeded',
      'strategies own-page-after-unmap iommu:single-use': 'blocked-at-access',
      'cdna stale-descriptor cdna': 'blocked-at-set-up',
      'cdna freed-while-sending cdna': 'blocked-at-set-up',
    };
    const found = TOURS.flatMap(({ id, steps }) =>
      steps
        .flatMap(({ acts = [] }) => acts)
        .flatMap((act) =>
          act.kind === 'attack'
            ? [
                [
                  `${id} ${act.attack} ${act.approach}`,
                  filmAttack(act.attack, act.approach, 1).verdict,
                ] as const,
              ]
            : [],
        ),
    );
    expect(Object.fromEntries(found)).toEqual(expected);
  });

  it('fair scheduling: under fifo the quiet guest starves, under every right answer it gets all that it asks for', () => {
    const { question, plans } = tourOf('fair-scheduling') ?? {};
    const quietMbps = (discipline: string) =>
      ((stateAfter(plans?.[0], { discipline }, 3_000_000).guests[1]?.bytesTransmitted ?? 0) * 8e3) / 3e6;
    // 200 Mb/s on the wire; a frame of 256 bytes takes 24 more there: 182.9 Mb/s at most, less what is under way.
    expect(quietMbps('fifo')).toBeLessThan(5);
    for (const { oneOf, isRight } of question?.answers ?? []) {
      for (const discipline of oneOf) {
        if (isRight) expect(quietMbps(discipline), discipline).toBeGreaterThan(170);
        else expect(quietMbps(discipline), discipline).toBeLessThan(150);
      }
    }
  });

  it('one DMA: so many IOTLB entries as the right answers name find fewer than half, those of the wrong one more', () => {
    const { question, plans } = tourOf('one-dma') ?? {};
    const [plan] = plans ?? [];
    const hits = (entries: number) => {
      const { details } = stateAfter(
        plan,
        { scenario: { ...(plan?.scenario ?? { guests: [] }), iommu: { iotlbEntries: entries } } },
        3_000_000,
      );
      return (details.iotlbHits ?? 0) / (details.translations ?? 1);
    };
    for (const { oneOf, isRight } of question?.answers ?? [])
      for (const entries of oneOf) expect(hits(Number(entries)) < 0.5, entries).toBe(isRight);
  });

  it('strategies: the right answers invalidate nothing once the machine has warmed up, and strict costs the most', () => {
    const { plans, question } = tourOf('strategies') ?? {};
    const at = (approach: string, ns: number) => stateAfter(plans?.[0], { approach }, ns);
    for (const approach of question?.answers.filter(({ isRight }) => isRight).flatMap(({ oneOf }) => oneOf) ??
      [])
      expect(at(approach, 4_000_000).hypercalls, approach).toBe(at(approach, 2_000_000).hypercalls);
    const cpu = (approach: string) => at(approach, 3_000_000).domains[0]?.cpuNs ?? 0;
    expect(cpu('iommu:single-use')).toBeGreaterThan(1.3 * cpu('iommu:deferred'));
  });
});
