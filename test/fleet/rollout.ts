import type { PullRequest } from '#agent/ports';
import type { JsonObject, JsonValue } from '#core/merge-patch';
import { toJsonBytes } from '#core/json-size';
import { formatReference } from '#core/reference';
import { createFakeEngine } from '#test/fakes/fake-engine';
import type { FakePull } from '#test/fakes/fake-engine';
import { ADDRESS, startStage } from '../unit/agent/stage.ts';
import type { Stage } from '../unit/agent/stage.ts';

/** The rollout that is measured: what a device in a plant is given on an ordinary day. */
export const ROLLOUT = {
  /** How many layers each image has. Of different sizes, they arrive at different times. */
  layersOfImages: [3, 4, 6, 8, 9],
  layerBytes: 20_000_000,
  /** All pulls of the device together. */
  bytesASecond: 4_000_000,
};

/** A report of the module, when it was sent. */
export interface SentPatch {
  readonly atMs: number;
  readonly patch: JsonObject;
}

export interface MeasuredRollout {
  /** What the module gave edgeHub, in order, from the new desired properties until it was ready. */
  readonly sent: readonly SentPatch[];
  readonly durationMs: number;
  /** As JSON: what desired became, and the whole twin at the end. */
  readonly desiredPatchBytes: number;
  readonly twinBytes: number;
}

/**
 * Takes one device through the rollout: the agent itself, with a hub, an engine and a clock that are not real. Counted
 * is what it sends.
 */
export async function measureRollout(settings: JsonObject = {}): Promise<MeasuredRollout> {
  const stage = startTalkingStage();
  const images = serveImages(stage);
  await stage.desire({ before: { image: 'acme/before:1' } }, settings);
  await finishEverything(stage);
  const startMs = stage.clock.nowMs();
  const recorder = createRecorder(stage);
  const wished = stage.desire({ before: null, ...images }, settings);
  await recorder.until(wished);
  while (!isReady(stage)) {
    deliver(stage);
    await recorder.advance();
    if (stage.clock.nowMs() - startMs > 3_600_000)
      throw new Error(`not ready: ${JSON.stringify(stage.phases())}`);
  }
  const { desired, reported } = stage.hub;
  return {
    sent: recorder.sent,
    durationMs: stage.clock.nowMs() - startMs,
    desiredPatchBytes: toJsonBytes({ images, $version: 2 }),
    twinBytes: toJsonBytes({ desired, reported }),
  };
}

/** A registry at rest says what an image holds. */
const ANSWER_MS = 100;

/** A stage whose engine tells the layers of an image before it downloads them, as engines do. */
function startTalkingStage(): Stage {
  const engine = createFakeEngine();
  const { pull } = engine;
  const tell = async ({ reference, signal, onLayer }: PullRequest): Promise<void> => {
    await stage.clock.sleep(ANSWER_MS, signal);
    const { layers = {} } = engine.served.get(formatReference(reference)) ?? {};
    for (const layer of Object.keys(layers)) onLayer(layer, { kind: 'waiting' });
  };
  engine.pull = (request) => {
    void tell(request);
    return pull(request);
  };
  const stage = startStage({ random: 0.5, engine });
  return stage;
}

/** What a ready device sends in this time when nothing is asked of it, and the size of what it sends. */
export async function measureIdle(durationMs: number): Promise<readonly SentPatch[]> {
  const stage = startStage({ random: 0.5 });
  await stage.desire(serveImages(stage));
  await finishEverything(stage);
  const recorder = createRecorder(stage);
  const endMs = stage.clock.nowMs() + durationMs;
  while (stage.clock.nowMs() < endMs) await recorder.advance(10_000);
  return recorder.sent;
}

function serveImages({ engine }: Stage): JsonObject {
  engine.serve(`${ADDRESS}/acme/before:1`);
  const images = ROLLOUT.layersOfImages.map((count, position) => {
    const name = `service-${position + 1}`;
    const layers = Array.from({ length: count }, (_, index) => [`${name}-${index}`, ROLLOUT.layerBytes]);
    engine.serve(`${ADDRESS}/acme/${name}:2.0`, {
      layers: Object.fromEntries(layers),
      sizeBytes: 300_000_000,
    });
    return [name, { image: `acme/${name}:2.0`, tagAs: [`contoso.azurecr.io/acme/${name}:2.0`] }];
  });
  return Object.fromEntries(images);
}

async function finishEverything({ engine, clock }: Stage): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    engine.pulls.slice().forEach((pull) => pull.finish());
    await clock.advance(5000);
  }
}

interface Recorder {
  readonly sent: readonly SentPatch[];
  advance(byMs?: number): Promise<void>;
  /** Notes what was sent until this settles. */
  until(step: Promise<void>): Promise<void>;
}

function createRecorder({ hub, clock }: Stage): Recorder {
  const sent: SentPatch[] = [];
  let seen = hub.patches.length;
  const note = (): void => {
    for (const patch of hub.patches.slice(seen)) sent.push({ atMs: clock.nowMs(), patch });
    seen = hub.patches.length;
  };
  return {
    sent,
    async advance(byMs = 1000) {
      await clock.advance(byMs);
      note();
    },
    async until(step) {
      await step;
      note();
    },
  };
}

/** A second of downloading: the pulls share the link, and each layer follows the one before it. */
function deliver({ engine }: Stage): void {
  const pulls = [...engine.pulls];
  for (const pull of pulls) {
    const layers = Object.keys(engine.served.get(pull.reference)?.layers ?? {});
    deliverTo(pull, layers, ROLLOUT.bytesASecond / pulls.length);
  }
}

const arrivedBytes = new WeakMap<FakePull, number>();

function deliverTo(pull: FakePull, layers: readonly string[], bytes: number): void {
  const before = arrivedBytes.get(pull) ?? 0;
  const now = before + bytes;
  arrivedBytes.set(pull, now);
  const inLayer = (index: number, arrived: number): number =>
    Math.min(ROLLOUT.layerBytes, Math.max(0, arrived - index * ROLLOUT.layerBytes));
  for (const [index, layer] of layers.entries()) {
    const currentBytes = inLayer(index, now);
    if (currentBytes === inLayer(index, before)) continue;
    pull.layer(layer, { kind: 'downloading', currentBytes, totalBytes: ROLLOUT.layerBytes });
    if (currentBytes === ROLLOUT.layerBytes) pull.layer(layer, { kind: 'pulled' });
  }
  if (now >= layers.length * ROLLOUT.layerBytes) pull.finish();
}

const isReady = ({ hub }: Stage): boolean => {
  const summary: JsonValue | undefined = hub.reported['summary'];
  return (
    hub.reported['lastDesiredVersion'] === hub.desired['$version'] &&
    typeof summary === 'object' &&
    summary !== null &&
    'ready' in summary &&
    summary.ready === true
  );
};
