import { formatBytes } from '#core/format';
import type { Neighbour, Overview } from '#core/overview';
import type { Route } from '#core/route';
import type { RegistryStatus } from '#core/status';
import { formatCount, formatMoment } from '#web/format';
import type { Headline } from '#web/headline';
import { html, NOTHING } from '#web/html';
import type { Html } from '#web/html';
import { formatPace } from '#web/image-row';
import { formatSelection, PHASES } from '#web/selection';
import type { Selected, Selection } from '#web/selection';
import { toRow, toTable } from '#web/table';

/** The sentence that says it all and, while anything is pulled, how far it is. */
export function toHero({ tone, text, rest }: Headline, { status }: Overview): Html {
  const { ready, progress } = status.summary;
  return html`<div class="hero ${tone}">
    <h1>${text}</h1>
    ${rest === '' ? NOTHING : html`<p>${rest}</p>`}${
      ready === undefined ? NOTHING : html`<p class="nums">Complete ${formatMoment(ready.atMs, 'for')}</p>`
    }${progress === undefined ? NOTHING : toTotal(progress, status)}
  </div>`;
}

function toTotal(
  { downloadedBytes, totalBytes }: { readonly downloadedBytes: number; readonly totalBytes: number },
  { images }: Overview['status'],
): Html {
  let bytesPerSecond = 0;
  for (const image of images.values()) bytesPerSecond += image.bytesPerSecond ?? 0;
  const pace = formatPace(bytesPerSecond || undefined, totalBytes - downloadedBytes);
  const amount = `${formatBytes(downloadedBytes)} of ${formatBytes(totalBytes)}`;
  return html`<progress max="${totalBytes || 1}" value="${downloadedBytes}" aria-label="All pulls"></progress>
    <p class="nums">${[amount, pace].filter((part) => part !== '').join(' · ')}</p>`;
}

/** What the device and the module are, and whether the cloud is there. */
export function toFacts({ status, hub, engine, freeBytes, minFreeBytes, lastPulledMs }: Overview): Html {
  const { agent, lastDesiredVersion, lastDesiredStatus } = status;
  const kind = [agent.engine, agent.platform].filter((part) => part !== undefined).join(' ');
  const facts: readonly (readonly [string, Html])[] = [
    ['edgeHub', toState(hub, 'connected', 'not connected')],
    [
      'Desired version',
      lastDesiredVersion === undefined
        ? html`none yet`
        : html`${lastDesiredVersion}, ${toAccepted(lastDesiredStatus)}`,
    ],
    [
      'Docker engine',
      html`${kind === '' ? '' : `${kind}, `}${toState(engine, 'answering', 'not answering')}`,
    ],
    [
      'Disk',
      freeBytes === undefined
        ? html`not known`
        : html`${formatBytes(freeBytes)} free
            <span class="nums">${formatBytes(minFreeBytes)} stay free</span>`,
    ],
    ['Last image', toLastImage(lastPulledMs, status.summary)],
    ['Module', html`${agent.version}, started ${formatMoment(agent.startedAtMs)}`],
  ];
  return html`<dl class="card facts">
    ${facts.map(
      ([term, fact]) =>
        html`<div>
          <dt>${term}</dt>
          <dd>${fact}</dd>
        </div>`,
    )}
  </dl>`;
}

function toLastImage(pulledAtMs: number | undefined, { pulled }: Overview['status']['summary']): Html {
  if (pulledAtMs !== undefined) return formatMoment(pulledAtMs);
  return pulled === 0 ? html`none yet` : html`not known`;
}

function toState({ state, sinceMs }: Neighbour, up: string, down: string): Html {
  if (state === 'unknown') return html`not asked yet`;
  return html`<span class="${state}">${state === 'up' ? up : down}</span> ${formatMoment(sinceMs, 'for')}`;
}

function toAccepted(desired: Overview['status']['lastDesiredStatus']): string {
  if (desired === undefined) return '';
  const { code, description } = desired;
  if (code !== 200) return `with faults (${code})`;
  return description === '' ? 'accepted' : `accepted: ${description}`;
}

/** The registries with their logins. */
export function toRegistries({ status }: Overview): Html {
  const { registries } = status;
  if (registries.size === 0) return NOTHING;
  return html`<section>
    <h2 id="registries-title">Registries</h2>
    ${toTable(
      'registries',
      ['Registry', 'Login', 'Details'],
      [...registries].map(([name, registry]) => toRegistryRow(name, registry)),
    )}
  </section>`;
}

const LOGIN_COLOURS: Readonly<Record<RegistryStatus['login'], string>> = {
  Succeeded: 'Pulled',
  Anonymous: 'Pulled',
  Failed: 'Failed',
  Unknown: 'Waiting',
};

function toRegistryRow(name: string, registry: RegistryStatus): Html {
  const { address, login, credential, reason, message, checkedAtMs, route } = registry;
  const details = [
    html`${message}`,
    credential === undefined ? NOTHING : html`with <code>${credential}</code>`,
    checkedAtMs === undefined ? NOTHING : html`<span class="nums">asked ${formatMoment(checkedAtMs)}</span>`,
    toWay(route),
  ].filter((part) => part.html !== '');
  return toRow({
    id: `registry-${name}`,
    name,
    reference: address,
    state: login,
    colours: LOGIN_COLOURS[login],
    reason,
    details: html`${details.map((part, index) => (index === 0 ? part : html` &middot; ${part}`))}`,
  });
}

/** How images come from a registry, and why so for whoever points at it. */
function toWay(route: Route | undefined): Html {
  if (route === undefined) return NOTHING;
  const clear = route.isPlainHttp ? ' in clear' : '';
  const way = route.transport === 'relay' ? `through the relay${clear}` : 'by the engine';
  return html`<span title="${route.why}">images come ${way}</span>`;
}

/** Links to the images of each phase. */
export function toFilters({ status }: Overview, selection: Selection): Html {
  const { desired, failed, pulling, waiting, pulled } = status.summary;
  const counts = { Failed: failed, Pulling: pulling, Waiting: waiting, Pulled: pulled };
  const toLink = (phase: Selection['phase'], label: string, count: number): Html =>
    html`<li>
      <a
        href="/${formatSelection(selection, { phase, page: 1 })}"
        ${phase === selection.phase ? html` aria-current="page"` : NOTHING}
        >${label} <span class="nums">${count}</span></a
      >
    </li>`;
  return html`<ul>
    ${toLink(undefined, 'All', desired)}${PHASES.map((phase) => toLink(phase, phase, counts[phase]))}
  </ul>`;
}

/** Which images are shown of how many, with links to the others. */
export function toPager(
  { total, page, pages }: Selected,
  selection: Selection,
  { misnamed }: Overview['status'],
): Html {
  const { phase, find } = selection;
  const isMeant = misnamed > 0 && find === '' && (phase === undefined || phase === 'Failed');
  const unlisted = isMeant
    ? html`<p>Not listed, because of the name: ${formatCount(misnamed, 'image')} (see above).</p>`
    : NOTHING;
  if (total === 0) return isMeant ? unlisted : html`<p>There is no such image.</p>`;
  if (pages === 1) return unlisted;
  const toLink = (target: number, label: string): Html =>
    target < 1 || target > pages
      ? NOTHING
      : html`<a href="/${formatSelection(selection, { page: target })}#images">${label}</a>`;
  return html`<p>
      ${toLink(page - 1, 'Before')}
      <span class="nums">Page ${page} of ${pages}, ${total} images</span> ${toLink(page + 1, 'Next')}
    </p>
    ${unlisted}`;
}
