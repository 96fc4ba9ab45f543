/** How a thing that moves is drawn at one moment. */
export interface TokenLook {
  /** How far along its path it is, 0 to 1. */
  readonly travelled: number;
  readonly alpha: number;
}

/** A circle that spreads around something which happens in one place. */
export interface PulseLook {
  readonly radiusPx: number;
  readonly alpha: number;
}

/** Least and greatest radius of a pulse, px. */
const PULSE_PX = { least: 6, most: 22 } as const;

/**
 * Where a token is and how strong, at a share of its time. For a reader who wants stillness it stands at the end of its
 * path for as long as others would see it move: nothing travels and nothing fades, and all of it is seen.
 */
export function tokenLook(share: number, isRefused: boolean, isStill: boolean): TokenLook {
  if (isStill) return { travelled: 1, alpha: 1 };
  // A refusal is at its gate after a fifth of its time, and stays there.
  if (isRefused) return { travelled: Math.min(1, share * 5), alpha: Math.min(1, 3 * (1 - share)) };
  return { travelled: ease(share), alpha: Math.min(1, 6 * (1 - share), 0.25 + 6 * share) };
}

/** A pulse at a share of its time; for a reader who wants stillness, a ring of one size. */
export function pulseLook(share: number, isStill: boolean): PulseLook {
  const { least, most } = PULSE_PX;
  if (isStill) return { radiusPx: (least + most) / 2, alpha: 1 };
  return { radiusPx: least + (most - least) * share, alpha: 1 - share };
}

function ease(share: number): number {
  return share < 0.5 ? 2 * share * share : 1 - (2 - 2 * share) ** 2 / 2;
}
