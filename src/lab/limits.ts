/** Guests of a machine that is shown; more do not fit the picture. */
export const MOST_LAB_GUESTS = 12;
