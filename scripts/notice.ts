import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

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
 * @throws when a package names no licence
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

function toLicense({ license, licenses }: Manifest): string | undefined {
  if (typeof license === 'string') return license;
  return license?.type ?? licenses?.map(({ type }) => type).join(' OR ');
}
