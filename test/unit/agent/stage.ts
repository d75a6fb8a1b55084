import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { createAgent } from '#agent/agent';
import type { Agent, AgentDeps } from '#agent/agent';
import type { MethodAnswer } from '#agent/ports';
import type { JsonObject, JsonValue } from '#core/merge-patch';
import { createFakeEngine } from '#test/fakes/fake-engine';
import type { FakeEngine } from '#test/fakes/fake-engine';
import { createFakeHub } from '#test/fakes/fake-hub';
import type { FakeHub } from '#test/fakes/fake-hub';
import type { FakeRelay } from '#test/fakes/fake-relay';
import { createManualClock } from '#test/fakes/manual-clock';
import type { ManualClock } from '#test/fakes/manual-clock';

export const ADDRESS = '127.0.0.1:8000';

/** The whole agent with nothing real around it. */
export interface Stage {
  readonly hub: FakeHub;
  readonly engine: FakeEngine;
  readonly clock: ManualClock;
  readonly agent: Agent;
  readonly logs: readonly string[];
  /** Desires images by name from the registry `plant`, and waits until everything that follows at once is done. */
  desire(images: JsonObject, settings?: JsonObject, more?: JsonObject): Promise<void>;
  call(method: string, payload?: unknown): Promise<MethodAnswer>;
  /** One entry of the reported images; empty where there is none. */
  image(name: string): JsonObject;
  /** `phase` or `phase reason` of each reported image. */
  phases(): Record<string, string>;
  stop(): Promise<void>;
}

export interface StageOptions {
  /** What chance always says. */
  readonly random?: number;
  /** What the machine's clock says at the start, milliseconds since 1970. */
  readonly startMs?: number;
  /** One that an earlier agent left. */
  readonly engine?: FakeEngine;
  /** One that an earlier agent reported to. */
  readonly hub?: FakeHub;
  readonly memory?: NonNullable<AgentDeps['memory']>;
  /** Default: one that comes to nothing. */
  readonly probe?: AgentDeps['probe'];
  /** Default: none. */
  readonly relay?: (engine: FakeEngine) => FakeRelay;
}

/** Starts an agent; it is stopped when the test ends. */
export function startStage(options: StageOptions = {}): Stage {
  const hub = options.hub ?? createFakeHub();
  const engine = options.engine ?? createFakeEngine();
  const relay = options.relay?.(engine);
  const clock = createManualClock(options.startMs, options.random ?? 0);
  const logs: string[] = [];
  const log = (level: string) => (fields: object, message: string) => {
    logs.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  let ids = 0;
  const agent = createAgent({
    hub,
    engine,
    ...(relay === undefined ? {} : { relay }),
    probe: options.probe ?? (async () => ({})),
    clock,
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    version: '0.0.0',
    parentHostName: undefined,
    ...(options.memory === undefined ? {} : { memory: options.memory }),
    setLogLevel: () => undefined,
    createId: () => `task-${(ids += 1)}`,
    sha256: (text) => createHash('sha256').update(text).digest('hex'),
  });
  engine.passwords.set(ADDRESS, { device: 'one' });
  const ending = new AbortController();
  const ended = agent.run(ending.signal);
  const stop = async (): Promise<void> => {
    ending.abort();
    await clock.advance(1000);
    await ended;
  };
  onTestFinished(stop);

  const object = (value: JsonValue | undefined): JsonObject =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
  const images = (): JsonObject => object(hub.reported['images']);
  return {
    hub,
    engine,
    clock,
    agent,
    logs,
    stop,
    async desire(wanted, settings = {}, more = {}) {
      hub.setDesired({
        registryCredentials: { plant: { address: ADDRESS, username: 'device', password: 'one' } },
        images: wanted,
        settings,
        ...more,
      });
      await clock.advance(1000);
    },
    call(method, payload) {
      const handler = agent.methods[method];
      if (handler === undefined) throw new Error(`no method ${method}`);
      return handler(payload);
    },
    image: (name) => object(images()[name]),
    phases() {
      const toText = ({ phase, reason }: JsonObject): string =>
        [phase, reason].filter((part) => typeof part === 'string').join(' ');
      return Object.fromEntries(
        Object.entries(images()).map(([name, entry]) => [name, toText(object(entry))]),
      );
    },
  };
}
