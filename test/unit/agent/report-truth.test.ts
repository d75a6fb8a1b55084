import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { createReporter } from '#agent/reporter';
import { applyPatch } from '#core/merge-patch';
import type { JsonObject } from '#core/merge-patch';
import { createTally } from '#core/tally';
import { createFakeHub } from '#test/fakes/fake-hub';
import { createManualClock } from '#test/fakes/manual-clock';

type Answers = 'ok' | 'lost' | 'taken, and lost';
type Step =
  | { readonly kind: 'image'; readonly name: string; readonly entry: JsonObject | undefined }
  | { readonly kind: 'answers'; readonly answers: Answers }
  | { readonly kind: Kind };
type Life = readonly (readonly [step: Step, waitMs: number])[];

/** What an entry of an image may have, and need not. */
const OPTIONAL = ['x', 'y', 'z'];

const value = fc.nat({ max: 2 });
const entry = fc.record({ x: value, y: value, z: value }, { requiredKeys: [] });
const image = fc.record({
  kind: fc.constant('image' as const),
  name: fc.constantFrom('a', 'b', 'c'),
  entry: fc.option(entry, { nil: undefined }),
});
const answers = fc.record({
  kind: fc.constant('answers' as const),
  answers: fc.constantFrom<Answers>('ok', 'lost', 'taken, and lost'),
});
type Kind = 'hold' | 'reconnect' | 'fetch' | 'restart';
const toEvent = (kinds: readonly Kind[]) => fc.record({ kind: fc.constantFrom(...kinds) });

const toLife = (...kinds: readonly Kind[]): fc.Arbitrary<Life> =>
  fc.array(fc.tuple(fc.oneof(image, toEvent(kinds), answers), fc.constantFrom(100, 1500, 6000, 25_000)), {
    minLength: 10,
    maxLength: 25,
  });

/** Reporters, one after another, of images that come and go. */
function startLife() {
  const hub = createFakeHub();
  const clock = createManualClock();
  const images = new Map<string, JsonObject>();
  let heard: Answers = 'ok';
  const { report } = hub;
  hub.report = async (patch) => {
    if (heard !== 'lost') await report(patch);
    if (heard !== 'ok') throw new Error('report: no answer');
  };
  const toDocument = (): JsonObject => ({
    summary: { desired: images.size },
    images: Object.fromEntries(
      [...images].map(([name, one]) => [
        name,
        { ...Object.fromEntries(OPTIONAL.map((key) => [key, null])), image: name, ...one },
      ]),
    ),
  });
  const nothing = (): void => undefined;

  function start() {
    const reporter = createReporter({
      hub,
      clock,
      log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
      tally: createTally(),
      toDocument,
      toIntervalMs: () => 10_000,
    });
    const ending = new AbortController();
    const running = reporter.run(ending.signal);
    const end = async (): Promise<void> => {
      ending.abort();
      await clock.advance(100);
      await running;
    };
    return { ring: reporter.ring, end };
  }

  let current = start();
  hub.connect();

  async function take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'image':
        if (step.entry === undefined) images.delete(step.name);
        else images.set(step.name, step.entry);
        return current.ring();
      case 'answers':
        heard = step.answers;
        return;
      case 'hold':
        hub.holdsBack = !hub.holdsBack;
        return;
      case 'reconnect':
        hub.disconnect();
        await clock.advance(1000);
        return hub.connect();
      case 'fetch':
        return hub.serve({ desired: hub.desired });
      case 'restart':
        hub.forget();
        await current.end();
        current = start();
        return hub.connect();
    }
  }

  return {
    hub,
    clock,
    take,
    ring: () => current.ring(),
    end: () => current.end(),
    toTruth: () => applyPatch({}, toDocument()),
  };
}

const FIXED = { seed: 1, numRuns: 200 };

it('what IoT Hub shows in the end is the truth, whatever was lost or held back and came late', async () => {
  await fc.assert(
    fc.asyncProperty(toLife('hold', 'reconnect', 'fetch'), async (steps) => {
      const { hub, clock, take, ring, end, toTruth } = startLife();
      for (const [step, waitMs] of steps) {
        await take(step);
        await clock.advance(waitMs);
      }
      await take({ kind: 'answers', answers: 'ok' });
      await clock.advance(30_000);
      ring();
      await clock.advance(5000);
      hub.holdsBack = false;
      expect(hub.reported).toEqual(toTruth());
      await end();
    }),
    FIXED,
  );
});

it('so it is after restarts, when the twin was read once more', async () => {
  await fc.assert(
    fc.asyncProperty(toLife('hold', 'reconnect', 'fetch', 'restart'), async (steps) => {
      const { hub, clock, take, end, toTruth } = startLife();
      for (const [step, waitMs] of steps) {
        await take(step);
        await clock.advance(waitMs);
      }
      await take({ kind: 'answers', answers: 'ok' });
      await clock.advance(30_000);
      hub.holdsBack = false;
      await clock.advance(25_000);
      await take({ kind: 'fetch' });
      await clock.advance(5000);
      expect(hub.reported).toEqual(toTruth());
      await end();
    }),
    FIXED,
  );
});
