import type { Refetch, RefetchEvent, Way } from './refetched-pulls.ts';

/** One figure of docs/relay.json. */
export interface Refetched extends Refetch {
  /** Version and image store. */
  readonly engine: string;
  readonly event: RefetchEvent;
  readonly way: Way;
}

const BEGIN = '<!-- refetched: written by npm run bench:refetched -->';
const END = '<!-- /refetched -->';

const EVENT_WORDS: Readonly<Record<RefetchEvent, string>> = {
  cut: 'the link is cut at every tenth of the image',
  'client killed': 'who pulls is killed at one half',
  'engine restarted': 'the engine is restarted at one half',
  slow: 'the link is too slow for the timeout',
};

const WAY_WORDS: Readonly<Record<Way, string>> = {
  relay: 'this module, `relay`',
  engine: 'this module, `engine`',
  'docker pull': '`docker pull` until it succeeds',
  timeout: 'a timeout, and again',
};

/** What was measured before, with what was measured now in its place and behind it. */
export function mergeRefetched(
  before: readonly Refetched[],
  now: readonly Refetched[],
): readonly Refetched[] {
  const toKey = ({ engine, event, way }: Refetched): string => [engine, event, way].join('|');
  const merged = new Map([...before, ...now].map((figure) => [toKey(figure), figure]));
  return [...merged.values()].toSorted((one, other) => parseFloat(one.engine) - parseFloat(other.engine));
}

/** A row for each event and engine, as Markdown. */
export function formatRefetched(figures: readonly Refetched[]): string {
  const ways = Object.keys(WAY_WORDS) as Way[];
  const head = ['what happens', 'Docker, image store', ...ways.map((way) => WAY_WORDS[way])];
  const engines = [...new Set(figures.map(({ engine }) => engine))];
  const rows = (Object.keys(EVENT_WORDS) as RefetchEvent[]).flatMap((event) =>
    engines.map((engine) => {
      const cells = ways.map((way) =>
        toCell(figures.find((at) => at.engine === engine && at.event === event && at.way === way)),
      );
      return [EVENT_WORDS[event], engine, ...cells];
    }),
  );
  const rule = ['---', '---', ...ways.map(() => '---:')];
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function toCell(figure: Refetched | undefined): string {
  if (figure === undefined) return '';
  const toMegabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  if (figure.came) return toMegabytes(figure.againBytes);
  return `${toMegabytes(figure.againBytes + figure.imageBytes)} in vain`;
}

/** @throws when the page has no place for the table */
export function putRefetched(page: string, table: string): string {
  const before = page.indexOf(BEGIN);
  const after = page.indexOf(END);
  if (before < 0 || after < before) throw new Error(`the page has no place for it: ${BEGIN} … ${END}`);
  return `${page.slice(0, before + BEGIN.length)}\n\n${table}\n\n${page.slice(after)}`;
}
