import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

const pages = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md']).toSorted();

const withoutCode = (text: string): string =>
  text.replaceAll(/^ *```[^]+?^ *```/gm, '').replaceAll(/`[^`\n]+`/g, 'x');

/** What a page points at within the repository, by links and by pictures. */
function listTargets(page: string): string[] {
  const text = withoutCode(readFileSync(page, 'utf8'));
  return Array.from(
    text.matchAll(/\]\(([^)\s]+)\)|\b(?:src|href)="([^"]+)"/g),
    ([, link, picture]) => link ?? picture ?? '',
  ).filter((target) => !/^(https?|mailto):/.test(target));
}

/** The anchors of a page's headings, as GitHub makes them. */
function listAnchors(page: string): Set<string> {
  const text = readFileSync(page, 'utf8').replaceAll(/^ *```[^]+?^ *```/gm, '');
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const anchor = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
    let free = anchor;
    for (let count = 1; anchors.has(free); count += 1) free = `${anchor}-${count}`;
    anchors.add(free);
  }
  return anchors;
}

/** What is wrong with a link on a page; `undefined` when it leads somewhere. */
function findFault(page: string, target: string): string | undefined {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : join(dirname(page), path);
  if (file.startsWith('..') || path.startsWith('/')) return `${target}: outside the repository`;
  if (!existsSync(file)) return `${target}: there is no ${file}`;
  if (anchor === undefined) return undefined;
  if (statSync(file).isDirectory() || !file.endsWith('.md')) return `${target}: ${file} has no headings`;
  return listAnchors(file).has(anchor) ? undefined : `${target}: ${file} has no such heading`;
}

it.each(pages)('every link and picture of %s leads to a file and a heading that are there', (page) => {
  expect(listTargets(page).flatMap((target) => findFault(page, target) ?? [])).toEqual([]);
});

it('finds links to follow, and sees one that is broken', () => {
  expect(pages.flatMap(listTargets).length).toBeGreaterThan(60);
  expect(pages.flatMap(listTargets).filter((target) => target.includes('#')).length).toBeGreaterThan(5);
  expect(findFault('docs/fleet.md', '../ARCHITECTURE.md#rooms')).toBeUndefined();
  expect(findFault('docs/fleet.md', 'absent.md')).toBe('absent.md: there is no docs/absent.md');
  expect(findFault('docs/fleet.md', '#absent')).toBe('#absent: docs/fleet.md has no such heading');
});
