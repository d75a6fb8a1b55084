import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const CALL = /log\.(info|warn|error|fatal)\([^;]*?,\s*'([^']+)',?\s*\)/g;
/** One whose number and facts differ from line to line. */
const isRollout = (message: string): boolean => message.startsWith('rollout ');

it('docs/logs.md explains every message of the levels info to fatal, with its level, and no other', () => {
  const source = globSync('src/**/*.ts')
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  const written = [...source.matchAll(CALL)].map(([, level, message]) => `${level} ${message}`);
  expect(written.length).toBeGreaterThan(30);
  const table = readFileSync('docs/logs.md', 'utf8');
  const explained = [...table.matchAll(/^\| (info|warn|error|fatal) \| `(.+?)` \|/gm)]
    .filter(([, , message = '']) => !isRollout(message))
    .map(([, level, message]) => `${level} ${message}`);
  expect(new Set(explained)).toEqual(new Set(written));
});
