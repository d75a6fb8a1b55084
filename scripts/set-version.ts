/**
 * Part of `npm version <new version>`: writes the version that package.json has now wherever else it stands, and begins its
 * part of CHANGELOG.md. npm commits and tags what comes of it.
 */
import { glob, readFile, writeFile } from 'node:fs/promises';
import packageJson from '../package.json' with { type: 'json' };
import moduleJson from '../module.json' with { type: 'json' };

const { version } = packageJson;
const before = moduleJson.image.tag.version;
const image = `connected-registry-puller:${before}-`;

await replace('module.json', `"version": "${before}"`, `"version": "${version}"`);
await replace('deployment.template.json', `"version": "${before}"`, `"version": "${version}"`);
for (const path of Object.values(moduleJson.image.tag.platforms)) {
  await replace(path, `image.version="${before}"`, `image.version="${version}"`);
}
for await (const path of glob(['README.md', 'examples/**/*.json'])) {
  if (!(await readFile(path, 'utf8')).includes('/connected-registry-puller:')) continue;
  await replace(path, image, `connected-registry-puller:${version}-`);
  await replace(path, `"version": "${before}"`, `"version": "${version}"`);
}
await replace('CHANGELOG.md', '## Unreleased\n', `## Unreleased\n\n## ${version}\n`);

/** @throws when `from` is not in the file: what is not found would stay behind. */
async function replace(path: string, from: string, to: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  if (!text.includes(from)) throw new Error(`${path} has no ${JSON.stringify(from)}`);
  await writeFile(
    path,
    text.replaceAll(from, () => to),
  );
}
