import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { createIotHub } from '#adapters/iothub';
import type { HubLimits } from '#adapters/iothub-client';
import type { IotHub } from '#adapters/iothub';
import { systemClock } from '#adapters/system-clock';
import type { Clock, MethodHandlers } from '#agent/ports';
import { parseEnvironment } from '#contract/environment';
import { NO_FAULTS, startEdge } from '#lab/edge';
import type { Edge } from '#lab/edge';

/** The hub of the module before an edgeHub of its own, for one test. */
export interface HubStage {
  readonly hub: IotHub;
  readonly edge: Edge;
  /** What the hub and the edge wrote. */
  readonly lines: readonly string[];
  /** Resolves when the hub has fetched all that it knew to fetch, and waits for a patch or its timer. */
  untilIdle(): Promise<void>;
  /** Runs the hub; what it resolves with is the hub's end. It is called by `startHubStage`, unless asked otherwise. */
  run(): Promise<void>;
  /** Ends the hub; resolves when it has ended. */
  stop(): Promise<void>;
}

export interface HubStageOptions {
  readonly limits?: Partial<HubLimits>;
  readonly methods?: MethodHandlers;
  /** Default: 50 times as fast as real time. */
  readonly clock?: Clock;
  /** Whether the hub is run and waited for. Default true. */
  readonly isRun?: boolean;
}

/** Time that goes faster by a factor. */
export const toQuickClock = (factor: number): Clock => ({
  ...systemClock,
  sleep: (delayMs, signal) => systemClock.sleep(delayMs / factor, signal),
});

/** Longer than all sleeps but those before a fetch that nothing asks for. */
const IDLE_MS = 40_000;

/** Starts both; when the test ends, both are ended, and no token may stand in what they wrote. */
export async function startHubStage(options: HubStageOptions = {}): Promise<HubStage> {
  const lines: string[] = [];
  const clock = options.clock ?? toQuickClock(50);
  const sleeps = new Set<{ readonly delayMs: number }>();
  const dir = await mkdtemp(join(tmpdir(), 'hub-'));
  const edge = await startEdge({ dir, log: (line) => lines.push(line) });
  const note =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const hub = createIotHub({
    identity: parseEnvironment(edge.environment).hub,
    clock: {
      ...clock,
      async sleep(delayMs, signal) {
        const sleep = { delayMs };
        sleeps.add(sleep);
        await clock.sleep(delayMs, signal);
        sleeps.delete(sleep);
      },
    },
    log: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
    productInfo: 'connected-registry-puller/1.2.3',
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  hub.setMethods(options.methods ?? {});
  const ending = new AbortController();
  let running: Promise<void> | undefined;
  const stage: HubStage = {
    hub,
    edge,
    lines,
    untilIdle: () => until(() => [...sleeps].some(({ delayMs }) => delayMs > IDLE_MS)),
    run: () => (running ??= hub.run(ending.signal)),
    async stop() {
      ending.abort();
      await running;
    },
  };
  onTestFinished(async () => {
    Object.assign(edge.faults, NO_FAULTS);
    await stage.stop();
    await edge.stop();
    await rm(dir, { recursive: true });
    if (lines.some((line) => /SharedAccessSignature|sig=/.test(line))) throw new Error('a token was written');
  });
  if (options.isRun === false) return stage;
  void stage.run();
  await until(() => hub.isConnected);
  return stage;
}

/** Waits for what is to become true. */
export async function until(condition: () => boolean, timeoutMs = 20_000): Promise<void> {
  const check = (): void => {
    if (!condition()) throw new Error(`not within ${timeoutMs} ms: ${String(condition)}`);
  };
  await vi.waitFor(check, { timeout: timeoutMs, interval: 10 });
}
