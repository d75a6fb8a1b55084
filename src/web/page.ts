import type { Overview } from '#core/overview';
import { BEAT_SECONDS } from '#web/answer';
import { formatMoment } from '#web/format';
import { html, NOTHING } from '#web/html';
import { formatSelection } from '#web/selection';
import type { Selection } from '#web/selection';
import { toTable } from '#web/table';
import { toView } from '#web/view';
import type { Part } from '#web/view';

/** How often a page without script is loaded anew, in seconds. */
const RELOAD_SECONDS = 10;

/** The status page, whole: everything on it can be read without its script, which only keeps it fresh. */
export function formatPage(overview: Overview, selection: Selection, device: string): string {
  const { title, parts, rows } = toView(overview, selection);
  const part = (id: Part) => html`<div id="${id}">${{ html: parts[id] }}</div>`;
  const { find, phase } = selection;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} &middot; ${device}</title>
        <link rel="icon" href="/icon.svg" />
        <link rel="stylesheet" href="/page.css" />
        <noscript><meta http-equiv="refresh" content="${RELOAD_SECONDS}" /></noscript>
        <script src="/page.js" defer></script>
      </head>
      <body
        data-now="${overview.nowMs}"
        data-beat="${BEAT_SECONDS}"
        data-events="/events${formatSelection(selection)}"
        data-device="${device}"
      >
        <a class="skip" href="#images">To the images</a>
        <header>
          <p><b>connected-registry-puller</b> <span>${device}</span></p>
          <p id="live" role="status">As of ${formatMoment(overview.nowMs)}</p>
        </header>
        <main>
          <p id="spoken" class="spoken" role="status">${{ html: parts.spoken }}</p>
          ${part('hero')}${part('problems')}${part('facts')}${part('registries')}
          <section id="images" tabindex="-1">
            <h2 id="images-title">Images</h2>
            <div class="bar">
              <nav id="filters" aria-label="Images by phase">${{ html: parts.filters }}</nav>
              <form role="search">
                <label
                  ><span class="spoken">Part of a name or reference</span>
                  <input type="search" name="find" value="${find}" placeholder="Find" /></label
                >${
                  phase === undefined ? NOTHING : html`<input type="hidden" name="show" value="${phase}" />`
                }<button>Find</button>
              </form>
            </div>
            ${toTable(
              'images',
              ['Image', 'State', 'Details'],
              [...rows.values()].map((row) => ({ html: row })),
            )}
            <nav id="pager" aria-label="Pages">${{ html: parts.pager }}</nav>
          </section>
        </main>
        <footer>
          <p>
            This page only tells; nothing can be changed here. <a href="/metrics">Metrics</a> &middot;
            <a href="/readyz">Ready?</a> &middot; <a href="/healthz">Healthy?</a>
          </p>
        </footer>
      </body>
    </html> `.html;
}
