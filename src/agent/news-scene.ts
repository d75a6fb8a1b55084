import type { Book } from '#agent/book';
import type { Outlook } from '#agent/outlook';
import type { DesiredImage } from '#core/desired-state';
import type { NewsImage, NewsRegistry, NewsScene } from '#core/news';
import { formatReference } from '#core/reference';
import type { CheckQuestion } from '#core/registry-advice';
import type { RegistryRecord } from '#core/registry-record';
import type { Rollout } from '#core/rollout';
import type { Standing } from '#core/world';

/** How everything stands after a pass, as far as it is told. */
export function toNewsScene(
  book: Book,
  { standings, ready }: Outlook,
  { version, durationMs, bytes }: Rollout,
  nowMs: number,
): NewsScene {
  const images = new Map<string, NewsImage>();
  for (const image of book.desired?.images.values() ?? []) {
    const standing = standings.get(image.name);
    if (standing === undefined || standing.phase === 'Pulled') continue;
    images.set(image.name, toNewsImage(book, image, standing));
  }
  const known = version === undefined ? {} : { version };
  return {
    nowMs,
    images,
    registries: new Map([...book.registries].map(([name, record]) => [name, toRegistry(record)])),
    ...(ready === undefined ? {} : { ready: { digest: ready.setDigest, ...known, durationMs, bytes } }),
  };
}

/** Of images that wait: each pass finds most of them as they were. */
const WAITING = new WeakMap<DesiredImage, NewsImage>();

function toNewsImage(book: Book, image: DesiredImage, standing: Standing): NewsImage {
  const known = WAITING.get(image);
  if (known?.standing === standing) return known;
  const told = { image: toImage(image), standing };
  if (standing.phase !== 'Failed') {
    const waiting = { ...told, isOwnFailure: false };
    WAITING.set(image, waiting);
    return waiting;
  }
  if (image.kind === 'fault') return { ...told, isOwnFailure: true };
  const isOwnFailure = standing.reason === book.images.get(image.name)?.failure?.reason;
  const { registry, reference } = image.spec;
  if (registry === undefined) return { ...told, isOwnFailure };
  const record = book.registries.get(registry);
  const question = record && { ...toQuestion(record), repository: reference.repository };
  return { ...told, isOwnFailure, registry, ...(question === undefined ? {} : { question }) };
}

/** Looked for in each pass, of each image that is not here. */
const NAMES = new WeakMap<DesiredImage, string>();

/** Resolved; as written where it could not be resolved. */
export function toImage(image: DesiredImage): string {
  const known = NAMES.get(image);
  if (known !== undefined) return known;
  const name = image.kind === 'image' ? formatReference(image.spec.reference) : (image.image ?? '');
  NAMES.set(image, name);
  return name;
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
