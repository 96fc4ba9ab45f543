/** The page on what each approach is, beside the reports that name approaches. */
export const APPROACHES_PAGE = 'protection.html';
/** The page of attacks, also of those that a comparison plays. */
export const ATTACK_PAGE = 'attack.html';
