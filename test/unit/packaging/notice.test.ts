import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { formatNotice } from '../../../scripts/notice.ts';

/** Writes packages into a folder, and returns one file of each. */
async function install(
  packages: Readonly<Record<string, { manifest: object; licence?: string }>>,
): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), 'notice-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const [folder, { manifest, licence }] of Object.entries(packages)) {
    await mkdir(join(dir, folder), { recursive: true });
    await writeFile(join(dir, folder, 'package.json'), JSON.stringify(manifest));
    if (licence !== undefined) await writeFile(join(dir, folder, 'LICENSE.md'), licence);
  }
  return Object.keys(packages).map((folder) => join(dir, folder, 'lib/index.js'));
}

test('names every bundled package once with its licence text, nested and scoped ones too', async () => {
  const inputs = await install({
    'node_modules/b': { manifest: { name: 'b', version: '2.0.0', license: 'MIT' }, licence: 'terms of b' },
    'node_modules/b/node_modules/@x/a': {
      manifest: { name: '@x/a', version: '1.0.0', licenses: [{ type: 'MIT' }, { type: 'Apache-2.0' }] },
      licence: 'terms of a',
    },
  });
  const notice = await formatNotice(['src/main.ts', ...inputs, ...inputs]);
  expect(notice).toMatch(/^connected-registry-puller holds parts of 2 packages/);
  expect(notice).toMatch(
    /@x\/a 1\.0\.0\nLicence: MIT OR Apache-2\.0\n\nterms of a\n[^]*b 2\.0\.0\nLicence: MIT\n\nterms of b\n/,
  );
});

test('says who holds the copyright of a package that ships no licence text', async () => {
  const inputs = await install({
    'node_modules/c': { manifest: { name: 'c', version: '1.0.0', license: 'MIT', author: 'A. Author' } },
  });
  const notice = await formatNotice(inputs);
  expect(notice).toContain('Copyright (c) A. Author\nIts terms: https://spdx.org/licenses/MIT.html');
});

test('fails for a package without a licence, which must not be bundled', async () => {
  const inputs = await install({ 'node_modules/d': { manifest: { name: 'd', version: '1.0.0' } } });
  await expect(formatNotice(inputs)).rejects.toThrow('d 1.0.0 names no licence');
});

test.each([
  'GPL-3.0-only',
  'LGPL-2.1-or-later',
  'UNLICENSED',
  'MIT AND GPL-2.0-only',
  '(MIT OR X) AND GPL-2.0-only',
])('fails for a package under %s, which must not be bundled', async (license) => {
  const inputs = await install({ 'node_modules/e': { manifest: { name: 'e', version: '1.0.0', license } } });
  await expect(formatNotice(inputs)).rejects.toThrow(`e 1.0.0 is under ${license}`);
});

test.each(['MIT', '(MIT OR GPL-3.0-only)', 'Apache-2.0 AND MIT'])(
  'takes a package under %s',
  async (license) => {
    const inputs = await install({
      'node_modules/f': { manifest: { name: 'f', version: '1.0.0', license } },
    });
    expect(await formatNotice(inputs)).toContain(`f 1.0.0\nLicence: ${license}\n`);
  },
);
