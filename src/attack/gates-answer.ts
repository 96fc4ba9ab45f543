import type { LetThrough } from './let-through.js';

/**
 * CDNA against an IOMMU, and what both together stop: of the IOMMU's variants the one that lets the fewest attacks through,
 * the first of those alike. Empty where either was not attacked.
 */
export function gatesAnswer(throughs: readonly LetThrough[]): string[] {
  const played = throughs.filter(({ of }) => of > 0);
  const of = (name: string) => played.find(({ approach }) => approach === name);
  const [cdna, both] = [of('cdna'), of('cdna+iommu')];
  const variants = played.filter(({ approach }) => approach.startsWith('iommu:'));
  const [iommu] = variants.toSorted((one, other) => one.through - other.through);
  if (cdna === undefined || iommu === undefined) return [];
  const onlyThrough = (one: LetThrough, other: LetThrough) =>
    one.attacks.filter((name) => !other.attacks.includes(name));
  const fewest = variants.filter(({ through }) => through === iommu.through).length;
  const why =
    variants.length === 1
      ? ''
      : `, of its ${variants.length} variants here ${fewest === 1 ? 'the one that lets' : `the first of ${fewest} that let`} the fewest attacks through, ${iommu.through} of ${iommu.of}`;
  return [
    `CDNA against an IOMMU (${iommu.approach}${why}): CDNA checks when a transfer is set up, so it stops what guests ask for: ${cdna.byGuests} of ${cdna.ofGuests} attacks by guests get through, under the IOMMU ${iommu.byGuests} of ${iommu.ofGuests}. ` +
      `It trusts the card: of ${cdna.ofCards} attacks by the card itself ${cdna.byCards} get through, under the IOMMU, which checks each access, ${iommu.byCards} of ${iommu.ofCards}. ` +
      `Of these two ${list(onlyThrough(cdna, iommu))} through CDNA alone, and ${list(onlyThrough(iommu, cdna))} through the IOMMU alone.` +
      (both === undefined
        ? ''
        : ` Under both together ${both.byGuests} of ${both.ofGuests} by guests and ${both.byCards} of ${both.ofCards} by the card get through.`),
  ];
}

function list(names: readonly string[]): string {
  if (names.length === 0) return 'nothing gets';
  return `${names.join(', ')} ${names.length === 1 ? 'gets' : 'get'}`;
}
