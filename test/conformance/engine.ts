import { describe, expect, test, vi } from 'vitest';
import type { Credential } from '#core/desired-state';
import { AgentError } from '#core/reason';
import type { Reference } from '#core/reference';
import { createEngineBench } from '#test/conformance/engine-bench';
import type { EngineHarness } from '#test/conformance/engine-bench';
import { describePulls } from '#test/conformance/engine-pulls';

/** What the agent relies on, whatever the engine is. */
export function describeEngine(name: string, startHarness: () => Promise<EngineHarness>): void {
  describe(`${name}, as any engine`, () => {
    const bench = createEngineBench(startHarness);

    describe('the engine', () => {
      test('names its version, platform and store', async () => {
        const info = await bench.harness.engine.fetchInfo(bench.signal);
        expect(info.version).toMatch(/^\d+\.\d+\.\d+/);
        expect(info.platform).toEqual({ os: 'linux', architecture: 'amd64' });
        expect(['classic', 'containerd']).toContain(info.store);
      });

      test('answers a ping', async () => {
        await expect(bench.harness.engine.ping(bench.signal)).resolves.toBeUndefined();
      });

      test('knows how much of its disk is free', async () => {
        expect(await bench.harness.engine.fetchFreeBytes(bench.signal)).toBeGreaterThan(0);
      });

      test('has no image that was never pulled', async () => {
        expect(await bench.harness.engine.listImages(bench.signal)).toEqual([]);
        expect(
          await bench.harness.engine.inspectImage(`${bench.harness.address}/app:1`, bench.signal),
        ).toBeUndefined();
        expect(await bench.harness.engine.listImageIdsInUse(bench.signal)).toEqual(new Set());
      });
    });

    describe('a login', () => {
      test('takes the right password and no other', async () => {
        const { engine, address, credential } = bench.harness;
        await engine.login(address, credential, bench.signal);
        await expect(engine.login(address, bench.wrongCredential(), bench.signal)).rejects.toMatchObject({
          reason: 'Unauthorized',
        });
      });

      test('without a credential shows that the registry answers, even one that wants a password', async () => {
        const { engine, address } = bench.harness;
        await engine.login(address, undefined, bench.signal);
        await bench.harness.setAway(true);
        await expect(engine.login(address, undefined, bench.signal)).rejects.toMatchObject({
          reason: 'RegistryUnreachable',
        });
      });
    });

    describe('a check', () => {
      test('names the digest and the platform, and brings nothing', async () => {
        const digest = await bench.harness.serve('app', '1');
        const { engine, credential } = bench.harness;
        expect(await engine.fetchManifest(bench.toReference('app'), credential, bench.signal)).toEqual({
          digest,
          platforms: [{ os: 'linux', architecture: 'amd64' }],
        });
        const byDigest = { registry: bench.harness.address, repository: 'app', digest };
        expect(await engine.fetchManifest(byDigest, credential, bench.signal)).toMatchObject({ digest });
        expect(await engine.listImages(bench.signal)).toEqual([]);
      });
    });

    describePulls(bench);

    describe('a check and a pull fail alike', () => {
      const findReasons = async (
        reference: Reference,
        credential: Credential | undefined,
      ): Promise<unknown[]> => {
        const { engine } = bench.harness;
        const attempts = [
          engine.fetchManifest(reference, credential, bench.signal),
          bench.pull(reference, { credential }),
        ];
        const results = await Promise.allSettled(attempts);
        return results.map((result) =>
          result.status === 'rejected' ? AgentError.of(result.reason).reason : result.value,
        );
      };

      test('where there is no such tag or digest', async () => {
        await bench.harness.serve('app', '1');
        const { address, credential } = bench.harness;
        const digest = `sha256:${'0'.repeat(64)}`;
        for (const reference of [
          bench.toReference('app', 'absent'),
          { registry: address, repository: 'app', digest },
        ]) {
          expect(await findReasons(reference, credential)).toEqual(['NotFound', 'NotFound']);
        }
      });

      test('with a wrong password, and with none', async () => {
        await bench.harness.serve('app', '1');
        for (const credential of [bench.wrongCredential(), undefined]) {
          const reasons = await findReasons(bench.toReference('app'), credential);
          expect(reasons).toEqual(['Unauthorized', 'Unauthorized']);
        }
      });

      test('without the right to the repository', async () => {
        await bench.harness.serve('private', '1');
        bench.harness.forbid('private');
        const reasons = await findReasons(bench.toReference('private'), bench.harness.credential);
        expect(reasons).toEqual(['AccessDenied', 'AccessDenied']);
      });

      test('where the registry is away', async () => {
        await bench.harness.serve('app', '1');
        await bench.harness.setAway(true);
        const reasons = await findReasons(bench.toReference('app'), bench.harness.credential);
        expect(reasons).toEqual(['RegistryUnreachable', 'RegistryUnreachable']);
      });
    });

    describe('names', () => {
      test('are given to an image, and taken from it until it goes with the last', async () => {
        await bench.harness.serve('app', '1');
        const { engine, address } = bench.harness;
        const { id } = await bench.pull(bench.toReference('app'));
        const other = { registry: 'edge.example:8000', repository: 'group/app', tag: 'v1' };
        await engine.tag(`${address}/app:1`, other, bench.signal);
        expect((await engine.inspectImage('edge.example:8000/group/app:v1', bench.signal))?.id).toBe(id);
        expect(await engine.untag(`${address}/app:1`, bench.signal)).toBe(true);
        const names = await bench.listNames();
        expect(names.filter((name) => name.startsWith(address))).toEqual([]);
        expect(names).toContain('edge.example:8000/group/app:v1');
        expect(await engine.untag('edge.example:8000/group/app:v1', bench.signal)).toBe(true);
        expect(await engine.inspectImage(id, bench.signal)).toBeUndefined();
      });

      test('move to another image', async () => {
        const { engine, address } = bench.harness;
        await bench.harness.serve('app', '1', { seed: 'a' });
        await bench.harness.serve('app', '2', { seed: 'b' });
        await bench.pull(bench.toReference('app', '1'));
        const { id } = await bench.pull(bench.toReference('app', '2'));
        await engine.tag(id, bench.toReference('app', '1'), bench.signal);
        expect((await engine.inspectImage(`${address}/app:1`, bench.signal))?.id).toBe(id);
      });

      test('of an image whose tag moved on are taken from it by its digest, and it goes', async () => {
        const digest = await bench.harness.serve('app', 'moving', { seed: 'old' });
        const old = await bench.pull(bench.toReference('app', 'moving'));
        await bench.harness.serve('app', 'moving', { seed: 'new' });
        const moved = await bench.pull(bench.toReference('app', 'moving'));
        const { engine, address } = bench.harness;
        expect(await engine.untag(`${address}/app@${digest}`, bench.signal)).toBe(true);
        const left = await engine.listImages(bench.signal);
        expect(left.map(({ id }) => id)).toEqual([moved.id]);
        expect(old.id).not.toBe(moved.id);
      });

      test('that are not there are taken away without a failure', async () => {
        expect(await bench.harness.engine.untag(`${bench.harness.address}/app:1`, bench.signal)).toBe(true);
      });

      test('cannot be given to an image that is not there', async () => {
        const { engine } = bench.harness;
        await expect(
          engine.tag(`sha256:${'0'.repeat(64)}`, bench.toReference('app'), bench.signal),
        ).rejects.toMatchObject({ name: 'AgentError' });
      });

      test('stay with an image that a container uses', async () => {
        await bench.harness.serve('app', '1');
        const { engine, address } = bench.harness;
        const { id } = await bench.pull(bench.toReference('app'));
        await bench.harness.use(id);
        expect(await engine.listImageIdsInUse(bench.signal)).toEqual(new Set([id]));
        expect(await engine.untag(`${address}/app:1`, bench.signal)).toBe(false);
        expect((await engine.inspectImage(`${address}/app:1`, bench.signal))?.id).toBe(id);
      });
    });

    describe('events', () => {
      test('are told for each change until the signal aborts', async () => {
        await bench.harness.serve('app', '1');
        const { engine, address } = bench.harness;
        const controller = new AbortController();
        let events = 0;
        const following = engine.followEvents(() => (events += 1), controller.signal);
        const changes: (() => Promise<unknown>)[] = [
          () => bench.pull(bench.toReference('app')),
          () => engine.tag(`${address}/app:1`, bench.toReference('app', '2'), bench.signal),
          () => engine.untag(`${address}/app:1`, bench.signal),
          () => engine.untag(`${address}/app:2`, bench.signal),
        ];
        // The stream is open once it has told that it is.
        await vi.waitFor(() => expect(events).toBeGreaterThan(0), { timeout: 10_000 });
        for (const change of changes) {
          const before = events;
          await change();
          await vi.waitFor(() => expect(events).toBeGreaterThan(before), { timeout: 10_000 });
        }
        controller.abort();
        await following;
        const before = events;
        await bench.pull(bench.toReference('app'));
        expect(events).toBe(before);
      });
    });
  });
}
