import { defineConfig } from 'vitest/config';

/** Tests on real parts: a few files at a time, for each has engines and registries of its own. */
const onRealParts = { testTimeout: 120_000, hookTimeout: 120_000 };

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
          // They mostly wait.
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'container',
          include: ['test/container/**/*.test.ts'],
          globalSetup: ['test/container/setup.ts'],
          ...onRealParts,
          // All use the one engine that has the images.
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          ...onRealParts,
          // Each group has a lab of its own, and they mostly wait.
          maxWorkers: 4,
        },
      },
    ],
  },
});
