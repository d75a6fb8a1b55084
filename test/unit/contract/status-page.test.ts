import { expect, it } from 'vitest';
import { toPage } from '#contract/status-page';
import type { Paged } from '#contract/status-page';
import { toJsonBytes } from '#core/json-size';
import type { JsonObject } from '#core/merge-patch';

const MAX_BYTES = 90_000;

const toEntries = (prefix: string, count: number, messageLength: number) =>
  Array.from({ length: count }, (_, index): readonly [string, JsonObject] => [
    `${prefix}${String(index).padStart(4, '0')}`,
    { message: 'm'.repeat(messageLength) },
  ]);

/** Goes on after each page, as whoever asks does. */
function readAll(paged: Paged) {
  const pages = [];
  let after: string | undefined;
  do {
    const page = toPage(paged, after, MAX_BYTES);
    expect(toJsonBytes({ ...page })).toBeLessThan(100_000);
    pages.push(page);
    after = page.next;
  } while (after !== undefined);
  return pages;
}

it.each([
  ['nothing', 0, 0, 1],
  ['a few registries and a page of images', 3, 100, 1],
  ['a few registries and many images', 3, 1000, 5],
  ['many registries and no image', 1000, 0, 4],
  ['many registries and many images', 1000, 1000, 9],
])('%s: every registry and image stands on a page, images on one alone', (_, registries, images, count) => {
  const paged = { registries: toEntries('r', registries, 300), images: toEntries('i', images, 400) };
  const pages = readAll(paged);
  expect(pages).toHaveLength(count);
  const names = new Set(pages.flatMap((page) => Object.keys(page.registries)));
  expect([...names]).toEqual(paged.registries.map(([name]) => name));
  expect(pages.flatMap((page) => Object.keys(page.images))).toEqual(paged.images.map(([name]) => name));
});

it('a few registries stand on every page', () => {
  const paged = { registries: toEntries('r', 3, 300), images: toEntries('i', 1000, 400) };
  for (const page of readAll(paged)) expect(page.registries).toEqual(Object.fromEntries(paged.registries));
});

it('an entry that is too long by itself stands on a page of its own', () => {
  const paged = { registries: [], images: [...toEntries('i', 1, 95_000), ...toEntries('j', 1, 5)] };
  expect(readAll(paged).map((page) => Object.keys(page.images))).toEqual([['i0000'], ['j0000']]);
});

it('images follow where registries became fewer between two pages', () => {
  const images = toEntries('a', 600, 200);
  const first = toPage({ registries: toEntries('r', 300, 256), images }, undefined, MAX_BYTES);
  expect(first.next).toMatch(/^registry\//);
  const second = toPage({ registries: toEntries('r', 3, 0), images }, first.next, MAX_BYTES);
  expect(Object.keys(second.images)[0]).toBe('a0000');
});
