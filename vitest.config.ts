import { defineConfig } from 'vitest/config';

// Tests run against the compiled output in dist/, which is what users get and what worker threads can load.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 400_000,
    hookTimeout: 400_000,
    maxWorkers: 2,
    // Starts leave nothing behind, and do not depend on what earlier ones left; the tests of the cache make their own.
    env: { RUNDLE_LAUNCHER_CACHE: 'no' },
  },
});
