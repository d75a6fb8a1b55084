import type { Book } from '#agent/book';
import type { Outlook } from '#agent/outlook';
import type { DesiredImage } from '#core/desired-state';
import type { NewsImage, NewsRegistry, NewsScene } from '#core/news';
import { formatReference } from '#core/reference';
import type { CheckQuestion } from '#core/registry-advice';
import type { RegistryRecord } from '#core/registry-record';
import type { Rollout } from '#core/rollout';

/** How everything stands after a pass, as far as it is told. */
export function toNewsScene(
  book: Book,
  { standings, ready }: Outlook,
  { version, durationMs, bytes }: Rollout,
  nowMs: number,
): NewsScene {
  const images = [...(book.desired?.images.values() ?? [])].flatMap((image): [string, NewsImage][] => {
    const standing = standings.get(image.name);
    if (standing === undefined) return [];
    const failure = book.images.get(image.name)?.failure;
    const isOwnFailure =
      image.kind === 'fault' || (standing.phase === 'Failed' && standing.reason === failure?.reason);
    const told = { image: toImage(image), standing, isOwnFailure };
    if (image.kind === 'fault' || image.spec.registry === undefined) return [[image.name, told]];
    const { registry, reference } = image.spec;
    const record = book.registries.get(registry);
    const question = record && { ...toQuestion(record), repository: reference.repository };
    return [[image.name, { ...told, registry, ...(question === undefined ? {} : { question }) }]];
  });
  const known = version === undefined ? {} : { version };
  return {
    nowMs,
    images: new Map(images),
    registries: new Map([...book.registries].map(([name, record]) => [name, toRegistry(record)])),
    ...(ready === undefined ? {} : { ready: { digest: ready.setDigest, ...known, durationMs, bytes } }),
  };
}

/** Resolved; as written where it could not be resolved. */
export function toImage(image: DesiredImage): string {
  return image.kind === 'image' ? formatReference(image.spec.reference) : (image.image ?? '');
}

function toRegistry(record: RegistryRecord): NewsRegistry {
  const { login } = record;
  const { address } = record.registry;
  const question = toQuestion(record);
  if (login.kind !== 'failed') return { address, question, kind: login.kind };
  const { reason, message } = login;
  return { address, question, kind: 'failed', reason, message };
}

const toQuestion = ({ registry: { name, address, credentials } }: RegistryRecord): CheckQuestion => ({
  name,
  address,
  username: credentials[0]?.username,
});
