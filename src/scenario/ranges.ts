import * as z from 'zod';
import { NIC_PARAMETERS, type NicParameterDefinition } from '../../nic/parameters.js';
import { PCIE_PARAMETERS, type PcieParameterDefinition } from '../../nic/pcie-link.js';
import { InvariantViolation } from '../../scheduler/errors.js';

/** A whole number of a range, refused in the words of the parts that check it too. */
export function wholeFrom(least: number, most: number): z.ZodInt {
  const error = `expected a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

/** A number of a range. */
export function numberFrom(least: number, most: number): z.ZodNumber {
  const error = `expected a number from ${least} to ${most}`;
  return z.number({ error }).min(least, { error }).max(most, { error });
}

/** A name that a terminal shows as it is. */
export function printable(mostCharacters: number): z.ZodString {
  return z
    .string()
    .min(1)
    .max(mostCharacters)
    .regex(PRINTABLE, { error: 'expected characters that can be printed, no control characters' });
}

/** No control characters (Cc), none that turn the direction of writing or are not seen (Cf), and no line separators. */
const PRINTABLE = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u;

/** A parameter of the card, with the range of its table. */
export function cardNumber(name: NicParameterDefinition['name']): z.ZodOptional<z.ZodInt> {
  const found = NIC_PARAMETERS.find((parameter) => parameter.name === name);
  if (found === undefined) throw new InvariantViolation(`the card has no parameter ${name}`);
  return wholeFrom(found.least, found.most).describe(found.meaning).optional();
}

/** A parameter of the card's link, with what its table allows. */
export function pcieNumber(name: keyof typeof PCIE_PARAMETERS): z.ZodOptional<z.ZodType<number>> {
  const { meaning, ...parameter } = PCIE_PARAMETERS[name];
  return allowedNumber(parameter).describe(meaning).optional();
}

function allowedNumber({ allowed, expected }: Omit<PcieParameterDefinition, 'meaning'>): z.ZodType<number> {
  const error = `expected ${expected}`;
  if (!('least' in allowed)) return z.literal([...allowed], { error });
  const { least, most, isWhole, isAboveLeast = false } = allowed;
  const number = isWhole ? z.int({ error }) : z.number({ error });
  const above = isAboveLeast ? number.gt(least, { error }) : number.min(least, { error });
  return above.max(most, { error });
}
