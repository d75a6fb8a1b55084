import type { SizeQuestion } from '#agent/relay-port';
import type { ImageLayer } from '#core/image-content';
import { createTurnstile } from '#core/turnstile';
import { readSizeClue, toSizeClue } from '#core/unpacked-size';
import type { SizeClue } from '#core/unpacked-size';
import type { Upstream } from '#relay/upstream';

/** Unpacked sizes of layers, each asked of its registry once. */
export interface UnpackedSizes {
  /** As `Relay.fetchUnpackedSizes`. */
  fetch(
    question: Pick<SizeQuestion, 'layers' | 'signal'>,
    source: UnpackedSizeSource,
  ): Promise<ReadonlyMap<string, number>>;
}

export interface UnpackedSizeSource {
  readonly upstream: Pick<Upstream, 'openBlob'>;
  readonly repository: string;
}

/** Of all registries together: each is a few bytes. */
const MAX_CONCURRENT_QUESTIONS = 8;
/** For each: what does not come by then is not worth the wait. */
const QUESTION_MS = 5000;
const MAX_KNOWN_SIZES = 4096;

/** Nothing is asked before the first call. */
export function createUnpackedSizes(): UnpackedSizes {
  const pass = createTurnstile(MAX_CONCURRENT_QUESTIONS);
  /** By digest, in the order in which they were asked; undefined: the layer does not say. */
  const known = new Map<string, number | undefined>();
  const underWay = new Map<string, Promise<void>>();

  function note(digest: string, unpackedBytes: number | undefined): void {
    known.set(digest, unpackedBytes);
    const [oldest = ''] = known.keys();
    if (known.size > MAX_KNOWN_SIZES) known.delete(oldest);
  }

  async function ask(layer: ImageLayer, source: UnpackedSizeSource, signal: AbortSignal): Promise<void> {
    const clue = toSizeClue(layer);
    if (clue === undefined) return;
    try {
      const bytes = await pass(() => readClue(layer.digest, clue, source, signal));
      note(layer.digest, bytes === undefined ? undefined : readSizeClue(layer, bytes));
    } catch {
      // It is guessed then, and asked for again by whoever needs it next.
    }
  }

  async function askOnce(layer: ImageLayer, source: UnpackedSizeSource, signal: AbortSignal): Promise<void> {
    const { digest } = layer;
    // Somebody else may ask for it and give up.
    while (underWay.has(digest) && !signal.aborted) await underWay.get(digest);
    if (known.has(digest) || signal.aborted) return;
    const asking = ask(layer, source, signal).finally(() => underWay.delete(digest));
    underWay.set(digest, asking);
    await asking;
  }

  return {
    async fetch({ layers, signal }, source) {
      await Promise.all(layers.map((layer) => askOnce(layer, source, signal)));
      return new Map(
        layers.flatMap(({ digest }) => {
          const unpackedBytes = known.get(digest);
          return unpackedBytes === undefined ? [] : [[digest, unpackedBytes]];
        }),
      );
    },
  };
}

/** @returns undefined where the registry gives the whole blob and no part of it */
async function readClue(
  digest: string,
  { fromByte, lengthBytes }: SizeClue,
  { upstream, repository }: UnpackedSizeSource,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  signal.throwIfAborted();
  const ended = new AbortController();
  const limit = AbortSignal.any([signal, ended.signal, AbortSignal.timeout(QUESTION_MS)]);
  try {
    const answer = await upstream.openBlob({ repository, digest, fromByte, lengthBytes }, limit);
    if (answer.fromByte !== fromByte) return undefined;
    const chunks: Uint8Array[] = [];
    let readBytes = 0;
    for await (const chunk of answer.body) {
      chunks.push(chunk);
      readBytes += chunk.length;
      // It is the whole blob. What ends by itself leaves a connection that can be used again.
      if (readBytes > lengthBytes) break;
    }
    return Buffer.concat(chunks).subarray(0, lengthBytes);
  } finally {
    ended.abort();
  }
}
