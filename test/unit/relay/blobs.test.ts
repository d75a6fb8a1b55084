import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { systemClock } from '#adapters/system-clock';
import { AgentError } from '#core/reason';
import { drain, failureOf, makeBlobs, makeUpstream, NEVER, toRead } from '#test/unit/relay/bench';
import { makeBytes, startSite, toDigest } from '#test/unit/relay/site';

const SIZE = 5_000_000;
const BLOB = makeBytes(SIZE);

/** Time that passes a hundred times faster. */
const racingClock = {
  ...systemClock,
  steadyMs: () => systemClock.steadyMs() * 100,
  sleep: (delayMs: number, signal: AbortSignal) => systemClock.sleep(delayMs / 100, signal),
};

describe('a blob', () => {
  test('comes whole over a good link, in small pieces, by one request', async () => {
    const site = await startSite();
    const sizes: number[] = [];
    const chunks: Uint8Array[] = [];
    for await (const chunk of makeBlobs().read(toRead(site, BLOB))) {
      sizes.push(chunk.length);
      chunks.push(chunk);
    }
    expect(Buffer.concat(chunks).equals(BLOB)).toBe(true);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(65_536);
    expect(site.requests.filter(({ url }) => url.includes('/blobs/'))).toHaveLength(1);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9])('is cut at %i tenths and no byte comes twice', async (tenths) => {
    const site = await startSite();
    const cuts = [(SIZE / 10) * tenths];
    site.faults.cutAfterBytes = () => cuts.shift() ?? Infinity;
    let fetchedBytes = 0;
    const read = toRead(site, BLOB, { onFetched: (bytes) => void (fetchedBytes += bytes) });
    expect((await drain(makeBlobs().read(read))).equals(BLOB)).toBe(true);
    expect(fetchedBytes).toBe(SIZE);
    expect(site.servedBytes).toBe(SIZE);
  });

  test('is read however often the link breaks, and no byte comes twice', async () => {
    const site = await startSite();
    const blob = makeBytes(300_000);
    const read = toRead(site, blob);
    const cut = fc.oneof(fc.integer({ min: 1, max: 300_000 }), fc.constantFrom(1, 65_535, 65_536, 65_537));
    await fc.assert(
      fc.asyncProperty(fc.array(cut, { maxLength: 12 }), fc.nat(300_000), async (cuts, fromByte) => {
        const rest = [...cuts];
        site.servedBytes = 0;
        site.faults.cutAfterBytes = () => rest.shift() ?? Infinity;
        const bytes = await drain(makeBlobs().read({ ...read, fromByte }));
        expect(bytes.equals(blob.subarray(fromByte))).toBe(true);
        expect(site.servedBytes).toBeLessThanOrEqual(blob.length);
      }),
      { numRuns: 40 },
    );
  });

  test('is skipped forward to where it broke at a registry that knows no Range', async () => {
    const site = await startSite();
    Object.assign(site.faults, { ignoresRange: true });
    const cuts = [1_000_000, 3_000_000];
    site.faults.cutAfterBytes = () => cuts.shift() ?? Infinity;
    expect((await drain(makeBlobs().read(toRead(site, BLOB)))).equals(BLOB)).toBe(true);
    expect(site.servedBytes).toBe(9_000_000);
  });

  test('is given up where a registry without Range always breaks at the same byte', async () => {
    const site = await startSite();
    Object.assign(site.faults, { ignoresRange: true, cutAfterBytes: 1_000_000 });
    const failure = await failureOf(drain(makeBlobs().read(toRead(site, BLOB))));
    expect(failure).toMatchObject({ reason: 'RegistryUnreachable' });
    expect(site.servedBytes).toBeLessThanOrEqual(5_000_000);
  });

  test('comes though the registry gives no part of it in words that can be told', async () => {
    const site = await startSite();
    const cuts = [1_000_000];
    Object.assign(site.faults, { oddRange: 'untold', cutAfterBytes: () => cuts.shift() ?? Infinity });
    expect((await drain(makeBlobs().read(toRead(site, BLOB)))).equals(BLOB)).toBe(true);
  });

  test.each([500, 502, 503, 429, 408])('goes on after %i', async (status) => {
    const site = await startSite();
    site.faults.statuses = [status, status];
    expect((await drain(makeBlobs().read(toRead(site, BLOB)))).equals(BLOB)).toBe(true);
  });

  test.each([
    [403, 'AccessDenied'],
    [404, 'Corrupt'],
    [416, 'Corrupt'],
  ])('is given up at once after %i', async (status, reason) => {
    const site = await startSite();
    site.faults.statuses = [status];
    expect(await failureOf(drain(makeBlobs().read(toRead(site, BLOB))))).toMatchObject({ reason });
    expect(site.requests).toHaveLength(1);
  });

  test.each(['Unauthorized', 'RegistryUntrusted', 'RegistryInsecure'] as const)(
    'is asked for once where another attempt would end in the same way: %s',
    async (reason) => {
      let asked = 0;
      const openBlob = async (): Promise<never> => {
        asked += 1;
        throw new AgentError(reason, 'no');
      };
      const read = {
        ...toRead(await startSite(), BLOB),
        source: { upstream: { openBlob }, repository: 'app' },
      };
      expect(await failureOf(drain(makeBlobs().read(read)))).toMatchObject({ reason });
      expect(asked).toBe(1);
    },
  );

  test('that a proxy has no page for is asked for again', async () => {
    const site = await startSite();
    Object.assign(site.faults, { statuses: [404], contentType: 'text/html' });
    expect((await drain(makeBlobs().read(toRead(site, BLOB)))).equals(BLOB)).toBe(true);
  });

  test.each([
    ['in seconds', '37', 37_000],
    ['by a date', new Date(Date.UTC(2026, 0, 1, 0, 0, 41)).toUTCString(), 41_000],
    ['for longer than anybody waits', '86400', 60_000],
  ])('waits for as long as the registry asks, within a minute: %s', async (_, retryAfter, delayMs) => {
    const site = await startSite();
    Object.assign(site.faults, { statuses: [503], retryAfter });
    const delays: number[] = [];
    const nowMs = (): number => Date.UTC(2026, 0, 1);
    const clock = {
      ...systemClock,
      sleep(delayMs: number, signal: AbortSignal) {
        delays.push(delayMs);
        return systemClock.sleep(delayMs / 1000, signal);
      },
    };
    const read = toRead(site, BLOB, { stallTimeoutMs: 900_000 });
    const upstream = makeUpstream(site.address, { clock: { ...systemClock, nowMs } });
    await drain(makeBlobs({ clock }).read({ ...read, source: { ...read.source, upstream } }));
    // Shorter ones are of whoever watches that a connection is not silent.
    expect(delays.filter((each) => each > 15_000)).toEqual([delayMs]);
  });

  test('is asked for at once where much of it came before the link broke, and later where little did', async () => {
    const site = await startSite();
    const cuts = [1_000_000, 65_536, 65_535, 1];
    site.faults.cutAfterBytes = () => cuts.shift() ?? Infinity;
    const delays: number[] = [];
    const clock = {
      ...systemClock,
      random: () => 0,
      sleep(delayMs: number, signal: AbortSignal) {
        // Of connections that are silent.
        if (delayMs < 15_000) delays.push(delayMs);
        return systemClock.sleep(delayMs >= 15_000 ? delayMs : 0, signal);
      },
    };
    expect((await drain(makeBlobs({ clock }).read(toRead(site, BLOB)))).equals(BLOB)).toBe(true);
    expect(delays).toEqual([0, 0, 500, 500]);
  });

  test('never completes with a wrong byte', async () => {
    const site = await startSite();
    site.faults.corruptByte = 1_234_567;
    let bytes = 0;
    const read = async (): Promise<void> => {
      for await (const chunk of makeBlobs().read(toRead(site, BLOB))) bytes += chunk.length;
    };
    expect(await failureOf(read())).toMatchObject({ reason: 'Corrupt' });
    expect(bytes).toBeLessThan(SIZE);
  });

  test('that came with a wrong byte is read on by whoever kept what came after it, once it is right', async () => {
    const site = await startSite();
    const [blobs, read] = [makeBlobs(), toRead(site, BLOB)];
    site.faults.corruptByte = 1_234_567;
    await failureOf(drain(blobs.read(read)));
    site.faults.corruptByte = -1;
    const rest = await drain(blobs.read({ ...read, fromByte: 3_000_000 }));
    expect(rest.equals(BLOB.subarray(3_000_000))).toBe(true);
  });

  test('of another size than its manifest says is given up, and its connection too', async () => {
    const site = await startSite();
    const read = { ...toRead(site, BLOB), sizeBytes: SIZE - 1 };
    expect(await failureOf(drain(makeBlobs().read(read)))).toMatchObject({ reason: 'Corrupt' });
    await expect.poll(() => site.openConnections()).toBe(0);
  });

  test('that stands still is asked for again over another connection', async () => {
    const site = await startSite();
    site.faults.hangAfterBytes = 2_000_000;
    const read = toRead(site, BLOB, { stallTimeoutMs: 1000, onFetched: heal });
    let fetchedBytes = 0;
    function heal(bytes: number): void {
      fetchedBytes += bytes;
      if (fetchedBytes === 2_000_000) site.faults.hangAfterBytes = Infinity;
    }
    expect((await drain(makeBlobs().read(read))).equals(BLOB)).toBe(true);
    expect(fetchedBytes).toBe(SIZE);
  });

  test('that stands still is asked for over another connection after a minute, however long it may', async () => {
    const site = await startSite();
    site.faults.hangAfterBytes = 2_000_000;
    const onFetched = (): void => void (site.faults.hangAfterBytes = Infinity);
    const read = toRead(site, BLOB, { stallTimeoutMs: 900_000, onFetched });
    const startMs = racingClock.steadyMs();
    expect((await drain(makeBlobs({ clock: racingClock }).read(read))).equals(BLOB)).toBe(true);
    const lastedMs = racingClock.steadyMs() - startMs;
    expect(lastedMs).toBeGreaterThanOrEqual(60_000);
    // What else it takes is on a busy machine.
    expect(lastedMs).toBeLessThan(440_000);
  });

  test('that stays still is given up as stalled', async () => {
    const site = await startSite();
    site.faults.hangAfterBytes = 2_000_000;
    const clock = systemClock;
    const fall = (): void => void (site.faults.hangAfterBytes = 0);
    const read = toRead(site, BLOB, { stallTimeoutMs: 400, onFetched: fall });
    expect(await failureOf(drain(makeBlobs({ clock }).read(read)))).toMatchObject({ reason: 'Stalled' });
  });

  test('that stays still is given up soon where it is in the way of others, and only there', async () => {
    const site = await startSite();
    const clock = racingClock;
    site.faults.hangAfterBytes = 2_000_000;
    let isInTheWay = false;
    const read = toRead(site, BLOB, { stallTimeoutMs: 900_000, isInTheWay: () => isInTheWay });
    const startMs = clock.steadyMs();
    const failing = failureOf(drain(makeBlobs({ clock }).read(read)));
    await clock.sleep(30_000, NEVER);
    isInTheWay = true;
    expect(await failing).toMatchObject({ reason: 'Stalled' });
    expect(clock.steadyMs() - startMs).toBeGreaterThanOrEqual(30_000);
  });

  test('is not given up for the time that its reader takes', async () => {
    const site = await startSite();
    const read = toRead(site, BLOB, { stallTimeoutMs: 300 });
    let isFirst = true;
    let bytes = 0;
    for await (const chunk of makeBlobs({ clock: systemClock }).read(read)) {
      bytes += chunk.length;
      if (isFirst) await systemClock.sleep(700, read.signal);
      isFirst = false;
    }
    expect(bytes).toBe(SIZE);
    expect(site.requests).toHaveLength(1);
  });

  test('goes on with a new token where the old one ends in its middle', async () => {
    const site = await startSite({ auth: 'bearer' });
    const cuts = [2_000_000];
    site.faults.cutAfterBytes = () => {
      const cut = cuts.shift() ?? Infinity;
      if (cut < Infinity) site.tokens.clear();
      return cut;
    };
    expect((await drain(makeBlobs().read(toRead(site, BLOB)))).equals(BLOB)).toBe(true);
    expect(site.requests.filter(({ url }) => url.startsWith('/token'))).toHaveLength(2);
    expect(site.servedBytes).toBe(SIZE);
  });

  test('ends with the reason of whoever ends it, and its connection too', async () => {
    const site = await startSite();
    const controller = new AbortController();
    const read = toRead(site, BLOB, { signal: controller.signal });
    const reason = new Error('the engine went away');
    const failure = await failureOf(
      (async () => {
        for await (const chunk of makeBlobs().read(read)) if (chunk.length > 0) controller.abort(reason);
      })(),
    );
    expect(failure).toBe(reason);
  });

  test('goes on from its middle without what came before', async () => {
    const site = await startSite();
    const blobs = makeBlobs();
    const read = toRead(site, BLOB);
    let bytes = 0;
    for await (const chunk of blobs.read(read)) {
      bytes += chunk.length;
      if (bytes > 3_500_000) break;
    }
    // Whoever leaves in its middle spoils nothing for the next.
    for await (const chunk of blobs.read({ ...read, fromByte: bytes })) if (chunk.length > 0) break;
    site.servedBytes = 0;
    const rest = await drain(blobs.read({ ...read, fromByte: bytes }));
    expect(rest.equals(BLOB.subarray(bytes))).toBe(true);
    expect(site.servedBytes).toBeLessThan(SIZE - 3_500_000 + 1_200_000);
  });

  test('of no byte is read without a request', async () => {
    const site = await startSite();
    const empty = Buffer.alloc(0);
    expect(await drain(makeBlobs().read(toRead(site, empty)))).toHaveLength(0);
    expect(toDigest(empty)).toBe(toRead(site, empty).digest);
  });

  test('comes from another origin without the token', async () => {
    const store = await startSite();
    const site = await startSite({ auth: 'bearer' });
    site.faults.blobsAt = store.origin;
    store.holdBlob(BLOB);
    expect((await drain(makeBlobs().read(toRead(site, BLOB)))).equals(BLOB)).toBe(true);
    expect(store.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
  });
});
