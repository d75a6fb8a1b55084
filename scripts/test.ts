/**
 * `npm test`: builds the module and runs every test against real parts. What follows `--` goes to vitest, for instance
 * `npm test -- --project unit`.
 */
import { spawnSync } from 'node:child_process';
import { ensurePrerequisites } from '#lab/prerequisites';

/** The fault suite runs by `npm run test:faults`. */
const DEFAULT_PROJECTS = ['unit', 'e2e', 'container'];

const chosen = process.argv.slice(2);

await ensurePrerequisites();
await import('./build.ts');

const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=./scripts/closing-line.ts',
    ...(chosen.includes('--project') ? [] : DEFAULT_PROJECTS.flatMap((project) => ['--project', project])),
    ...chosen,
  ],
  { stdio: 'inherit' },
);
process.exitCode = status ?? 1;
