import { formatBytes } from '#core/format';
import type { Overview } from '#core/overview';
import { isFailure, toReasonAdvice } from '#core/reason';
import type { FailureReason } from '#core/reason';
import type { ImageStatus } from '#core/status';
import { formatCount, formatMoment } from '#web/format';
import { html, NOTHING } from '#web/html';
import type { Html } from '#web/html';

interface Affected {
  readonly registries: string[];
  readonly images: string[];
}

const MAX_NAMES = 8;

/** What needs somebody, and what to do; nothing where all is well. Each reason stands once, however many images it has. */
export function toProblems(overview: Overview): Html {
  const problems = [
    ...toNeighbourProblems(overview),
    ...toDiskProblems(overview),
    ...toFailureProblems(overview),
  ];
  if (problems.length === 0) return NOTHING;
  return html`<section class="card bad">
    <h2>What to do</h2>
    <ul class="problems">
      ${problems.map((problem) => html`<li>${problem}</li>`)}
    </ul>
  </section>`;
}

function* toNeighbourProblems({ isAlive, hub, engine, status }: Overview): Generator<Html> {
  const { lastDesiredStatus: desired } = status;
  if (!isAlive) {
    yield html`<p><b>The module hangs</b>: its loop has not come round for minutes</p>
      <p>
        Nothing is pulled, reported or seen any more. Keep its log (<code>iotedge logs</code>), then start it
        again with <code>iotedge restart</code>.
      </p>`;
  }
  if (engine.state === 'down') {
    yield html`<p><b>EngineUnavailable</b> ${formatMoment(engine.sinceMs, 'for')}: ${engine.message}</p>
      <p>${toReasonAdvice('EngineUnavailable')}</p>`;
  }
  if (hub.state === 'down') {
    yield html`<p><b>Not connected to edgeHub</b> ${formatMoment(hub.sinceMs, 'for')}</p>
      <p>
        What was desired last goes on being pulled; what changes in the cloud does not come here, and the
        cloud does not see this. Check it with <code>iotedge list</code> and
        <code>iotedge logs edgeHub</code>.
      </p>`;
  }
  if (desired !== undefined && desired.code !== 200) {
    yield html`<p><b>The desired properties have a fault</b> (${desired.code})</p>
      <p>${desired.description}</p>`;
  }
}

/** Room that is lacking for all that comes, or for these images alone. */
function toDiskProblems({ status, freeBytes, minFreeBytes }: Overview): Html[] {
  const images = [...status.images].filter(([, { reason }]) => reason === 'LowDisk').map(([name]) => name);
  const isLow = freeBytes !== undefined && freeBytes < minFreeBytes;
  if (images.length === 0 && !isLow) return [];
  const facts = [
    ...(images.length === 0 ? [] : [toNames(images, 'Waiting')]),
    ...(freeBytes === undefined ? [] : [html`${formatBytes(freeBytes)} free`]),
    html`${formatBytes(minFreeBytes)} are kept free`,
  ];
  return [
    html`<p><b>LowDisk</b>: ${toList(facts)}</p>
      <p>${toReasonAdvice('LowDisk')}</p>`,
  ];
}

function toFailureProblems({ status, engine }: Overview): Html[] {
  return [...groupFailures(status)]
    .filter(([reason]) => reason !== 'EngineUnavailable' || engine.state !== 'down')
    .map(([reason, { registries, images }]) => {
      const who = [
        ...registries.map((name) => html`registry <b>${name}</b>`),
        ...(images.length === 0 ? [] : [toNames(images, 'Failed')]),
      ];
      return html`<p><b>${reason}</b>: ${toList(who)}</p>
        <p>${toReasonAdvice(reason)}</p>`;
    });
}

function groupFailures({ registries, images }: Overview['status']): Map<FailureReason, Affected> {
  const groups = new Map<FailureReason, Affected>();
  const toGroup = (reason: FailureReason): Affected => {
    const group = groups.get(reason) ?? { registries: [], images: [] };
    groups.set(reason, group);
    return group;
  };
  for (const [name, { reason }] of registries)
    if (reason !== undefined) toGroup(reason).registries.push(name);
  for (const [name, { phase, reason }] of images) {
    if (phase === 'Failed' && isFailure(reason)) toGroup(reason).images.push(name);
  }
  return groups;
}

function toNames(names: readonly string[], phase: ImageStatus['phase']): Html {
  const links = names.slice(0, MAX_NAMES).map((name) => html`<a href="/?find=${name}">${name}</a>`);
  const rest = names.length - MAX_NAMES;
  const more = rest > 0 ? html` and <a href="/?show=${phase}">${rest} more</a>` : NOTHING;
  return html`${formatCount(names.length, 'image')} (${toList(links)}${more})`;
}

const toList = (items: readonly Html[]): Html[] =>
  items.map((item, index) => html`${index > 0 ? ', ' : ''}${item}`);
