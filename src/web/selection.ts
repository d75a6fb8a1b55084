import type { ImageStatus, Status } from '#core/status';

/** Which images a page shows: its query. */
export interface Selection {
  readonly phase: ImageStatus['phase'] | undefined;
  /** Part of a name or reference, in lower case; empty for all. */
  readonly find: string;
  /** 1 and up. */
  readonly page: number;
}

/** What a selection finds. */
export interface Selected {
  readonly images: readonly (readonly [name: string, image: ImageStatus])[];
  /** Of all pages. */
  readonly total: number;
  /** The one that is shown: a number beyond the last is the last. */
  readonly page: number;
  readonly pages: number;
}

/** What needs somebody comes first. */
export const PHASES: readonly ImageStatus['phase'][] = ['Failed', 'Pulling', 'Waiting', 'Pulled'];

const PAGE_SIZE = 100;
const MAX_FIND_LENGTH = 256;

/** Reads a query; what does not fit is as if it were not there. */
export function toSelection(query: URLSearchParams): Selection {
  const page = Number(query.get('page') ?? 1);
  return {
    phase: PHASES.find((phase) => phase === query.get('show')),
    find: (query.get('find') ?? '').trim().slice(0, MAX_FIND_LENGTH).toLowerCase(),
    page: Number.isSafeInteger(page) && page > 0 ? page : 1,
  };
}

/** The query of a selection with some of it changed, for a link. */
export function formatSelection(selection: Selection, change: Partial<Selection> = {}): string {
  const { phase, find, page } = { ...selection, ...change };
  const query = new URLSearchParams();
  if (phase !== undefined) query.set('show', phase);
  if (find !== '') query.set('find', find);
  if (page > 1) query.set('page', String(page));
  return query.size > 0 ? `?${query.toString()}` : '';
}

/** The images of one page, by phase and name. */
export function selectImages({ images }: Status, { phase, find, page }: Selection): Selected {
  const found = [...images].filter(
    ([name, image]) =>
      (phase === undefined || image.phase === phase) &&
      (find === '' || name.toLowerCase().includes(find) || image.image.toLowerCase().includes(find)),
  );
  const ranked = PHASES.flatMap((each) => found.filter(([, image]) => image.phase === each));
  const pages = Math.max(Math.ceil(ranked.length / PAGE_SIZE), 1);
  const shown = Math.min(page, pages);
  return {
    images: ranked.slice((shown - 1) * PAGE_SIZE, shown * PAGE_SIZE),
    total: ranked.length,
    page: shown,
    pages,
  };
}
