import { createInterface } from 'node:readline';
import { callEngine } from '#lab/engine/engine-api';
import type { DockerHost } from '#lab/engine/engine-api';

interface EngineEvent {
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes?: Readonly<Record<string, string>> };
}

/** Tells when images came into an engine. */
export interface Arrivals {
  /** Resolves when all have come, by pull or by tag, with the moment of the last one by `performance.now()`. */
  readonly all: Promise<number>;
  /** When each came that has come. */
  readonly moments: readonly number[];
  stop(): void;
}

/** Watches an engine's events, from when it resolves. */
export async function watchArrivals(
  dockerHost: DockerHost,
  references: readonly string[],
): Promise<Arrivals> {
  const missing = new Set(references);
  const moments: number[] = [];
  const ending = new AbortController();
  const filters = encodeURIComponent(JSON.stringify({ type: ['image'], event: ['pull', 'tag'] }));
  const { body } = await callEngine(dockerHost, {
    path: `/events?filters=${filters}`,
    signal: ending.signal,
  });
  const { promise: all, resolve } = Promise.withResolvers<number>();
  const lines = createInterface({ input: body });
  // The end of the watch is one, and lines tell it too.
  lines.on('error', () => undefined);
  lines.on('line', (line) => {
    const { Actor } = JSON.parse(line) as EngineEvent;
    // A pull is named by its reference, a tag by the image; both say the name.
    for (const name of [Actor.ID, Actor.Attributes?.['name'] ?? ''])
      if (missing.delete(name)) moments.push(performance.now());
    if (missing.size === 0) resolve(moments.at(-1) ?? Number.NaN);
  });
  return { all, moments, stop: () => ending.abort() };
}
