import { formatBytes, formatDuration } from '#core/format';
import type { ImageEntry, RegistryEntry, StatusDocument } from '#cli/documents';
import { formatBar, formatTable } from '#cli/table';

/** Where everything stands, for a terminal. @param nowMs - milliseconds since 1970, for how long it is to a retry */
export function formatStatus(status: StatusDocument, nowMs: number): string {
  const images = Object.entries(status.images);
  const registries = Object.entries(status.registries);
  const blocks = [
    formatHead(status),
    registries.length === 0
      ? ''
      : formatTable([
          ['REGISTRY', 'ADDRESS', 'LOGIN'],
          ...registries.map((entry) => toRegistryRow(...entry)),
        ]),
    images.length === 0
      ? ''
      : formatTable([['IMAGE', 'STATE', '', 'REFERENCE'], ...images.map((entry) => toImageRow(...entry))]),
    ...registries.flatMap(([name, entry]) => formatTrouble(name, entry)),
    ...images
      .filter(([, entry]) => !isOfRegistry(entry, status.registries))
      .flatMap(([name, entry]) => formatTrouble(name, entry, toRetry(entry, nowMs))),
    formatSummary(status.summary, nowMs),
  ];
  return blocks.filter((block) => block !== '').join('\n');
}

function formatHead({ agent, lastDesiredVersion, lastDesiredStatus }: StatusDocument): string {
  const parts = [
    `connected-registry-puller ${agent.version}`,
    agent.engine === undefined
      ? 'no engine yet'
      : `Docker ${agent.engine} on ${agent.platform ?? 'an unknown platform'}`,
    lastDesiredVersion === undefined ? 'no desired properties yet' : `desired version ${lastDesiredVersion}`,
  ];
  const description = lastDesiredStatus?.description ?? '';
  return `${parts.join(', ')}\n${description === '' ? '' : `Desired properties: ${description}\n`}`;
}

const WAYS = { relay: 'through the relay', engine: 'by the engine' } as const;

const toRegistryRow = (
  name: string,
  { address, login, credential, reason, transport }: RegistryEntry,
): string[] => [
  name,
  address,
  [login, reason ?? credential, transport && WAYS[transport]].filter((part) => part !== undefined).join(', '),
];

function toImageRow(name: string, entry: ImageEntry): string[] {
  const { phase, image, reason = '', percent = 0, downloadedBytes = 0, totalBytes = 0, sizeBytes } = entry;
  switch (phase) {
    case 'Pulling': {
      const bytes = totalBytes === 0 ? '' : ` ${formatBytes(downloadedBytes)} of ${formatBytes(totalBytes)}`;
      return [name, phase, `${formatBar(percent)} ${String(percent).padStart(3)} %${bytes}`, image];
    }
    case 'Pulled':
      return [name, phase, sizeBytes === undefined ? '' : formatBytes(sizeBytes), image];
    case 'Waiting':
    case 'Failed':
      return [name, phase, reason, image];
  }
}

function toRetry({ attempts = 0, retryAt }: ImageEntry, nowMs: number): string {
  const parts = [
    attempts > 1 ? `${attempts} attempts` : '',
    retryAt === undefined ? '' : `next in ${formatDuration(Date.parse(retryAt) - nowMs)}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** Whether the registry's own trouble says it already: once, and not for each of its images. */
const isOfRegistry = ({ reason, message }: ImageEntry, registries: StatusDocument['registries']): boolean =>
  Object.values(registries).some(
    (registry) => registry.reason === reason && registry.message === message && reason !== undefined,
  );

/** What is wrong and what to do; nothing for what merely waits its turn. */
function formatTrouble(
  name: string,
  {
    reason,
    message,
    advice,
  }: { readonly reason?: string; readonly message?: string; readonly advice?: string },
  retry = '',
): string[] {
  if (reason === undefined || reason === 'Queued') return [];
  const lines = [
    `${name}: ${reason}${retry}`,
    ...(message ? [`  ${message}`] : []),
    ...(advice ? [`  → ${advice}`] : []),
  ];
  return [`${lines.join('\n')}\n`];
}

function formatSummary(summary: StatusDocument['summary'], nowMs: number): string {
  const { ready, desired, pulled, pulling, waiting, failed, etaSeconds, readyAt } = summary;
  const images = desired === 1 ? 'image' : 'images';
  if (ready) {
    const since = readyAt === undefined ? '' : `, for ${formatDuration(nowMs - Date.parse(readyAt))}`;
    return `Ready: ${pulled} of ${desired} ${images}${since}\n`;
  }
  const left = etaSeconds === undefined ? '' : `, about ${formatDuration(etaSeconds * 1000)} left`;
  const parts = [
    pulling === 0 ? '' : `${pulling} being pulled${left}`,
    waiting === 0 ? '' : `${waiting} waiting`,
    failed === 0 ? '' : `${failed} failed`,
  ].filter((part) => part !== '');
  return `Not ready: ${[`${pulled} of ${desired} ${images} pulled`, ...parts].join('; ')}\n`;
}
