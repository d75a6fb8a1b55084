import { formatDuration, formatSome } from '#core/format';
import type { ImageEntry, StatusDocument, Trouble } from '#cli/documents';

/** Somebody with a failure. */
interface Failing extends Trouble, Pick<ImageEntry, 'attempts' | 'retryAt'> {
  readonly name: string;
  readonly reason: string;
}

const MAX_NAMES = 8;
const MAX_MESSAGES = 3;

/** What is wrong and what to do, each reason once, however many images it has; nothing for what merely waits its turn. */
export function formatTroubles({ away, registries, images }: StatusDocument, nowMs: number): string[] {
  const ofRegistries = Object.entries(registries).flatMap((entry) => toFailing(...entry));
  const ofImages = Object.entries(images)
    .flatMap((entry) => toFailing(...entry))
    // The registry's own trouble says it already.
    .filter((image) => !ofRegistries.some((registry) => isSame(image, registry)));
  const groups = [toGroups(ofRegistries), toGroups(ofImages)].flat();
  const engine = away?.engine;
  if (engine === undefined) return groups.map((group) => formatGroup(group, nowMs));
  const since = ` (for ${formatDuration(nowMs - Date.parse(engine.since))})`;
  return [
    formatTrouble('Docker engine: EngineUnavailable', since, toLines([engine.message]), engine.advice),
    ...groups
      .filter(([{ reason }]) => reason !== 'EngineUnavailable')
      .map((group) => formatGroup(group, nowMs)),
  ];
}

function toFailing(name: string, { reason, ...entry }: Trouble & Partial<ImageEntry>): Failing[] {
  return reason === undefined || reason === 'Queued' ? [] : [{ ...entry, name, reason }];
}

const isSame = (a: Failing, b: Failing): boolean => a.reason === b.reason && a.message === b.message;

type Group = readonly [Failing, ...Failing[]];

/** Of one reason and advice each, in the order in which they come first. */
const toGroups = (failing: readonly Failing[]): Group[] =>
  groupBy(failing, ({ reason, advice = '' }) => `${reason}\n${advice}`);

function groupBy(failing: readonly Failing[], toKey: (each: Failing) => string): Group[] {
  const groups = new Map<string, [Failing, ...Failing[]]>();
  for (const each of failing) {
    const group = groups.get(toKey(each));
    if (group === undefined) groups.set(toKey(each), [each]);
    else group.push(each);
  }
  return [...groups.values()];
}

function formatGroup(group: Group, nowMs: number): string {
  const [{ reason, advice }] = group;
  const messages = groupBy(group, ({ message = '' }) => message);
  const lines =
    messages.length === 1
      ? toLines([group[0].message])
      : toLines([
          ...messages.slice(0, MAX_MESSAGES).map((said) => `${toNames(said)}: ${said[0].message ?? reason}`),
          ...(messages.length > MAX_MESSAGES
            ? [`and ${messages.length - MAX_MESSAGES} more (--json has them all)`]
            : []),
        ]);
  return formatTrouble(`${toNames(group)}: ${reason}`, toRetry(group, nowMs), lines, advice);
}

const toNames = (group: Group): string =>
  formatSome(
    group.map(({ name }) => name),
    MAX_NAMES,
  );

/** The next attempt of any, and how many there were where it is one alone. */
function toRetry(group: Group, nowMs: number): string {
  const [{ attempts = 0 }] = group;
  const nextMs = Math.min(
    ...group.map(({ retryAt }) => (retryAt === undefined ? Infinity : Date.parse(retryAt))),
  );
  const parts = [
    group.length === 1 && attempts > 1 ? `${attempts} attempts` : '',
    nextMs === Infinity ? '' : `next in ${formatDuration(nextMs - nowMs)}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

const toLines = (messages: readonly (string | undefined)[]): string[] =>
  messages.flatMap((message) => (message ? [`  ${message}`] : []));

const formatTrouble = (head: string, when: string, lines: readonly string[], advice = ''): string =>
  `${[`${head}${when}`, ...lines, ...(advice === '' ? [] : [`  → ${advice}`])].join('\n')}\n`;
