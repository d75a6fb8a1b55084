import { defineConfig } from 'vitest/config';

/** Tests on real parts: one file after another, for each has engines and registries of its own. */
const onRealParts = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/conformance/fake-*.test.ts'],
          // Properties are tried on many documents, and the machine may have others to serve.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts', 'test/conformance/real-*.test.ts'],
          ...onRealParts,
        },
      },
      {
        test: {
          name: 'container',
          include: ['test/container/**/*.test.ts'],
          globalSetup: ['test/container/setup.ts'],
          ...onRealParts,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          ...onRealParts,
          // Each group has a lab of its own, and they mostly wait.
          fileParallelism: true,
          maxWorkers: 4,
        },
      },
    ],
  },
});
