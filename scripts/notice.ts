import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** SPDX identifiers of the licences that ask for no more than their notice. */
const PERMISSIVE = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
]);

/** What a bundled package says of itself. */
interface Notice {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression. */
  readonly license: string;
  /** Its licence and notice files, or who holds the copyright where it ships none. */
  readonly text: string;
}

/**
 * The notices of all packages that files of a bundle came from, by name.
 * @param inputs paths, as in an esbuild metafile
 * @throws when a package names no licence, or none that asks for no more than its notice
 */
export async function formatNotice(inputs: readonly string[]): Promise<string> {
  const folders = new Set(
    inputs.flatMap((input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []),
  );
  const notices = await Promise.all([...folders].map(readNotice));
  const sections = notices
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.version.localeCompare(b.version)))
    .map(({ name, version, license, text }) =>
      `${name} ${version}\nLicence: ${license}\n\n${text}`.trimEnd(),
    );
  const head = `connected-registry-puller holds parts of ${sections.length} packages, under these licences.`;
  return `${[head, ...sections].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string | { readonly type?: string };
  /** As packages wrote it before there were SPDX expressions. */
  readonly licenses?: readonly { readonly type?: string }[];
  readonly author?: string | { readonly name?: string };
}

async function readNotice(folder: string): Promise<Notice> {
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
  const { name, version } = manifest;
  const license = toLicense(manifest);
  if (license === undefined) throw new Error(`${name} ${version} names no licence`);
  if (!isPermissive(license)) {
    throw new Error(
      `${name} ${version} is under ${license}: it must not be bundled, or scripts/notice.ts must know it`,
    );
  }
  const files = (await readdir(folder))
    .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
    .toSorted();
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  if (texts.length > 0)
    return { name, version, license, text: texts.map((text) => text.trim()).join('\n\n') };

  const holder = typeof manifest.author === 'object' ? manifest.author.name : manifest.author;
  const text = `Copyright (c) ${holder ?? `the authors of ${name}`}\nIts terms: https://spdx.org/licenses/${license}.html`;
  return { name, version, license, text };
}

/** Whether an SPDX expression leaves a choice that is permissive; one that mixes OR and AND is for a person to read. */
function isPermissive(expression: string): boolean {
  const text = expression.replaceAll(/[()]/g, '');
  const all = text.split(' AND ');
  if (all.length > 1) return all.every((license) => PERMISSIVE.has(license));
  return text.split(' OR ').some((license) => PERMISSIVE.has(license));
}

function toLicense({ license, licenses }: Manifest): string | undefined {
  if (typeof license === 'string') return license;
  return license?.type ?? licenses?.map(({ type }) => type).join(' OR ');
}
