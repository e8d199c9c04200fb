/** The tiers every run test goes through. */
export const tiers = ['mount', 'extract'] as const;
