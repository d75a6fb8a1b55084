import { formatBytes, formatDuration } from '#core/format';
import type { ImageEntry, RegistryEntry, StatusDocument } from '#cli/documents';
import { formatTroubles } from '#cli/format-troubles';
import { toLack, toWords } from '#cli/in-force';
import { formatBar, formatTable } from '#cli/table';

/** Where everything stands, for a terminal. @param nowMs - milliseconds since 1970, for how long it is to a retry */
export function formatStatus(status: StatusDocument, nowMs: number): string {
  const images = Object.entries(status.images);
  const registries = Object.entries(status.registries);
  const blocks = [
    formatHead(status, nowMs),
    registries.length === 0
      ? ''
      : formatTable([
          ['REGISTRY', 'ADDRESS', 'LOGIN'],
          ...registries.map((entry) => toRegistryRow(...entry)),
        ]),
    images.length === 0
      ? ''
      : formatTable([['IMAGE', 'STATE', '', 'REFERENCE'], ...images.map((entry) => toImageRow(...entry))]),
    ...formatTroubles(status, nowMs),
    formatSummary(status, nowMs),
  ];
  return blocks.filter((block) => block !== '').join('\n');
}

function formatHead(status: StatusDocument, nowMs: number): string {
  const { agent, away, lastDesiredVersion, lastDesiredStatus } = status;
  const lack = toLack(status);
  const isTold = lack === undefined || lack === 'unseen';
  const version = isTold ? '' : 'no desired properties yet';
  const parts = [
    `connected-registry-puller ${agent.version}`,
    toEngine(agent, away),
    lastDesiredVersion === undefined ? version : `desired version ${lastDesiredVersion}`,
  ];
  const hub = away?.edgeHub;
  const since = hub && formatDuration(nowMs - Date.parse(hub.since));
  const description = lastDesiredStatus?.description ?? '';
  const lines = [
    parts.filter((part) => part !== '').join(', '),
    since === undefined ? '' : `Not connected to edgeHub for ${since}: ${isTold ? CUT_OFF : UNTOLD}`,
    description === '' ? '' : `Desired properties: ${description}`,
  ];
  return `${lines.filter((line) => line !== '').join('\n')}\n`;
}

const CUT_OFF =
  'what was desired last goes on being pulled, and the cloud does not see this (iotedge list, iotedge logs edgeHub).';
const UNTOLD =
  'what is desired does not come, and the cloud does not see this (iotedge list, iotedge logs edgeHub).';

function toEngine({ engine, platform }: StatusDocument['agent'], away: StatusDocument['away']): string {
  if (away?.engine !== undefined) return 'the engine does not answer';
  return engine === undefined ? 'no engine yet' : `Docker ${engine} on ${platform ?? 'an unknown platform'}`;
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

function formatSummary(status: StatusDocument, nowMs: number): string {
  const { ready, desired, pulled, pulling, waiting, failed, etaSeconds, readyAt } = status.summary;
  const lack = toLack(status);
  if (lack !== undefined) return `Not ready: ${toWords(lack)}\n`;
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
