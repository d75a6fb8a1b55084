import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createIotHub } from '#adapters/iothub';
import type { Clock } from '#agent/ports';
import { parseEnvironment } from '#contract/environment';
import { Secret } from '#core/secret';
import type { HubIdentity } from '#core/hub-identity';
import { startEdge } from '#lab/edge';
import { createManualClock } from '#test/fakes/manual-clock';

/** A hub that runs by a clock of the test's, and for how long it waited from one connection to the next. */
function startHub(identity: HubIdentity, random = 0) {
  const clock = createManualClock(undefined, random);
  const waits: number[] = [];
  const lines: string[] = [];
  const note =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const watched: Clock = {
    ...clock,
    sleep(delayMs, signal) {
      if (!hub.isConnected) waits.push(delayMs);
      return clock.sleep(delayMs, signal);
    },
  };
  const hub = createIotHub({
    identity,
    clock: watched,
    log: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
    productInfo: 'test',
  });
  const ending = new AbortController();
  const running = hub.run(ending.signal);
  const end = async (): Promise<void> => {
    ending.abort();
    await running;
  };
  onTestFinished(end);
  return { hub, clock, waits, lines, end };
}

/** For a busy machine. */
const WAIT = { timeout: 10_000 };

/** No way to edgeHub: the file that it is trusted by is not there. */
const NOWHERE: HubIdentity = {
  kind: 'connection-string',
  connectionString: new Secret(
    'HostName=hub.example;DeviceId=d;ModuleId=m;SharedAccessKey=a2V5;GatewayHostName=localhost',
  ),
  caFile: '/nowhere/ca.pem',
};

describe('an edgeHub that cannot be reached', () => {
  test.each([
    ['', 0, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]],
    [', at another moment than by its neighbours', 0.5, [1100, 2200, 4400, 8800, 17_600, 27_000, 27_000]],
  ])('is tried again later each time, within half a minute%s', async (_, random, delays) => {
    const { hub, clock, waits, lines } = startHub(NOWHERE, random);
    for (const [index, delayMs] of delays.entries()) {
      await expect.poll(() => waits, WAIT).toEqual(delays.slice(0, index + 1));
      await clock.advance(delayMs - 1);
      expect(waits).toHaveLength(index + 1);
      await clock.advance(1);
    }
    expect(hub.isConnected).toBe(false);
    expect(lines.filter((line) => line.startsWith('warn'))).toHaveLength(1);
  });

  test('is tried no more once the module ends', async () => {
    const { clock, waits, end } = startHub(NOWHERE);
    await expect.poll(() => waits, WAIT).toEqual([1000]);
    await end();
    await clock.advance(3_600_000);
    expect(waits).toEqual([1000]);
  });
});

test('a connection that lasted a minute was good: the one after it is tried soon, and later after those that were not', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'hub-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const edge = await startEdge({ dir });
  onTestFinished(() => edge.stop());
  const { hub, clock, waits } = startHub(parseEnvironment(edge.environment).hub);
  const told: number[] = [];
  for (const lastsMs of [59_999, 0, 59_999, 60_000, 1000, 3_600_000, 60_000]) {
    await expect.poll(() => hub.isConnected, WAIT).toBe(true);
    await clock.advance(lastsMs);
    edge.cutConnections();
    await expect.poll(() => waits.length, WAIT).toBe(told.length + 1);
    const delayMs = waits.at(-1) ?? 0;
    told.push(delayMs);
    await clock.advance(delayMs);
  }
  expect(told).toEqual([1000, 2000, 4000, 1000, 2000, 1000, 1000]);
});
