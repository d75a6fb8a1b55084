import type { Overview } from '#core/overview';
import { toHeadline } from '#web/headline';
import { html } from '#web/html';
import { toImageRow } from '#web/image-row';
import { toProblems } from '#web/problems';
import { toFacts, toFilters, toHero, toPager, toRegistries } from '#web/sections';
import { selectImages } from '#web/selection';
import type { Selection } from '#web/selection';

/** What changes on a page while it is looked at: the page holds it, and the stream tells what is new of it. */
export interface View {
  readonly title: string;
  /** HTML by the id of the element that holds it. */
  readonly parts: Readonly<Record<Part, string>>;
  /** The table's rows by the image's name, in their order. */
  readonly rows: ReadonlyMap<string, string>;
}

export type Part = 'spoken' | 'hero' | 'problems' | 'facts' | 'registries' | 'filters' | 'pager';

/** How a page looks now. Nothing in it changes by itself: times stand as moments. */
export function toView(overview: Overview, selection: Selection): View {
  const headline = toHeadline(overview);
  const selected = selectImages(overview.status, selection);
  return {
    title: headline.title,
    parts: {
      spoken: html`${headline.text}. ${headline.rest}`.html,
      hero: toHero(headline, overview).html,
      problems: toProblems(overview).html,
      facts: toFacts(overview).html,
      registries: toRegistries(overview).html,
      filters: toFilters(overview, selection).html,
      pager: toPager(selected, selection, overview.status).html,
    },
    rows: new Map(selected.images.map(([name, image]) => [name, toImageRow(name, image).html])),
  };
}
