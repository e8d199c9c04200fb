/** The tiers every run test goes through. */
export const tiers = ['extract'] as const;
