import { toLine } from '#contract/findings';
import { toJsonBytes } from '#core/json-size';
import type { DiskNeed } from '#core/disk-need';
import type { ImageContent, ImageLayer } from '#core/image-content';
import { FAILURES } from '#core/reason';
import type { FailureReason } from '#core/reason';

/** What an answer is made of. */
interface PlanFound extends DiskNeed {
  readonly images: ReadonlyMap<string, FoundImage>;
  readonly downloadBytes: number;
  readonly freeBytes?: number;
  readonly fits: boolean;
}

type FoundImage =
  | (DiskNeed & {
      readonly kind: 'known';
      readonly content: ImageContent;
      readonly missing: readonly ImageLayer[];
    })
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly message: string };

/** An answer stays under 100 KB; the sums fit into the rest. */
const MAX_ANSWER_BYTES = 90_000;

/** What `PlanImages` answers: images in name order, as many as fit; `omitted` counts the others, and the sums hold them. */
export function toPlanAnswer({ images, ...found }: PlanFound): object {
  const { downloadBytes, freeBytes, fits } = found;
  const free = freeBytes === undefined ? {} : { freeBytes };
  const sums = { downloadBytes, ...toNeed(found), ...free, fits };
  const entries: Record<string, object> = {};
  let sizeBytes = 0;
  let omitted = 0;
  for (const [name, image] of images) {
    const entry = toEntry(image);
    sizeBytes += toJsonBytes([name, entry]);
    if (sizeBytes > MAX_ANSWER_BYTES) omitted += 1;
    else entries[name] = entry;
  }
  return { images: entries, ...(omitted === 0 ? {} : { omitted }), ...sums };
}

function toEntry(image: FoundImage): object {
  if (image.kind === 'failed') {
    const { reason, message } = image;
    return { reason, message: toLine(message), advice: FAILURES[reason].advice };
  }
  const { content, missing } = image;
  const layers = new Set(content.layers.map(({ digest }) => digest)).size;
  return {
    digest: content.digest,
    downloadBytes: missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    layers,
    layersPresent: layers - missing.length,
    ...toNeed(image),
  };
}

/** Where nothing says otherwise the figure is exact. */
const toNeed = ({ diskBytes, isDiskGuessed }: DiskNeed): object => ({
  diskBytes,
  ...(isDiskGuessed ? { diskEstimated: true } : {}),
});
