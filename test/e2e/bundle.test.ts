import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

it('the bundle is plain ASCII: of any other text the runtime keeps two bytes a character, 1.1 MB more', async () => {
  const lines = (await readFile('dist/main.js', 'utf8')).split('\n');
  expect(lines.filter((line) => /[^\p{ASCII}]/u.test(line))).toEqual([]);
});
