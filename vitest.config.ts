import { defineConfig } from 'vitest/config';

// Tests run against the compiled output in dist/, which is what users get and what worker threads can load.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    maxWorkers: 2,
  },
});
