import { describe, expect, test } from 'vitest';
import { isDigest } from '#core/reference';
import type { EngineBench } from '#test/conformance/engine-bench';

/** What the agent relies on of a pull. */
export function describePulls(bench: EngineBench): void {
  describe('a pull', () => {
    test('brings the image under its tag and the digest that the registry served', async () => {
      const digest = await bench.harness.serve('app', '1');
      const kinds = new Set<string>();
      const pulled = await bench.pull(bench.toReference('app'), {
        onLayer: (_, { kind }) => kinds.add(kind),
      });
      expect(pulled).toMatchObject({
        digest,
        platform: { os: 'linux', architecture: 'amd64' },
        wasPresent: false,
      });
      expect(pulled.sizeBytes).toBeGreaterThan(0);
      expect(isDigest(pulled.id)).toBe(true);
      // A layer that is small may have come before the engine looks how far it is.
      expect(kinds.has('downloading') || kinds.has('downloaded')).toBe(true);
      expect(kinds).toContain('pulled');
      expect(await bench.harness.engine.listImages(bench.signal)).toMatchObject([
        {
          id: pulled.id,
          // The containerd store adds what is unpacked to it.
          sizeBytes: expect.any(Number) as number,
          tags: [`${bench.harness.address}/app:1`],
          digests: [`${bench.harness.address}/app@${digest}`],
        },
      ]);
      expect(await bench.harness.engine.inspectImage(pulled.id, bench.signal)).toMatchObject({
        id: pulled.id,
        platform: { os: 'linux', architecture: 'amd64' },
      });
    });

    test('of what is there already says so', async () => {
      await bench.harness.serve('app', '1');
      const first = await bench.pull(bench.toReference('app'));
      expect(await bench.pull(bench.toReference('app'))).toEqual({ ...first, wasPresent: true });
    });

    test('of a tag that moved brings the new image', async () => {
      await bench.harness.serve('app', 'moving', { seed: 'old' });
      const old = await bench.pull(bench.toReference('app', 'moving'));
      const digest = await bench.harness.serve('app', 'moving', { seed: 'new' });
      const moved = await bench.pull(bench.toReference('app', 'moving'));
      expect(moved).toMatchObject({ digest, wasPresent: false });
      expect(moved.id).not.toBe(old.id);
      const tagged = await bench.harness.engine.inspectImage(
        `${bench.harness.address}/app:moving`,
        bench.signal,
      );
      expect(tagged?.id).toBe(moved.id);
    });

    test('by digest brings no tag', async () => {
      const digest = await bench.harness.serve('app', '1');
      const pulled = await bench.pull({ registry: bench.harness.address, repository: 'app', digest });
      expect(pulled).toMatchObject({ digest, wasPresent: false });
      expect(await bench.listNames()).toEqual([`${bench.harness.address}/app@${digest}`]);
    });

    test('by tag and digest brings what the digest names, under the tag', async () => {
      const digest = await bench.harness.serve('app', 'pinned', { seed: 'old' });
      await bench.harness.serve('app', 'pinned', { seed: 'new' });
      const reference = { ...bench.toReference('app', 'pinned'), digest };
      expect(await bench.pull(reference)).toMatchObject({ digest, wasPresent: false });
      expect(await bench.listNames()).toEqual([
        `${bench.harness.address}/app:pinned`,
        `${bench.harness.address}/app@${digest}`,
      ]);
      expect(await bench.pull(reference)).toMatchObject({ digest, wasPresent: true });
    });

    test('for another platform than the engine’s brings it where it was asked for', async () => {
      await bench.harness.serve('foreign', '1', { platform: 'linux/arm64' });
      const platform = { os: 'linux', architecture: 'arm64' };
      expect(await bench.pull(bench.toReference('foreign'), { platform })).toMatchObject({ platform });
    });

    test('of an image for another platform leaves nothing', async () => {
      await bench.harness.serve('foreign', '1', { platform: 'linux/arm64' });
      await expect(bench.pull(bench.toReference('foreign'))).rejects.toMatchObject({
        reason: 'PlatformMismatch',
      });
      expect(await bench.listNames()).toEqual([]);
      await bench.harness.serve('app', '1');
      const platform = { os: 'linux', architecture: 'arm64' };
      await expect(bench.pull(bench.toReference('app'), { platform })).rejects.toMatchObject({
        reason: 'PlatformMismatch',
      });
      expect(await bench.listNames()).toEqual([]);
    });

    test('of an image for another platform leaves the one that had the tag before', async () => {
      await bench.harness.serve('app', 'turned', { seed: 'good' });
      await bench.pull(bench.toReference('app', 'turned'));
      const before = await bench.harness.engine.listImages(bench.signal);
      await bench.harness.serve('app', 'turned', { platform: 'linux/arm64' });
      await expect(bench.pull(bench.toReference('app', 'turned'))).rejects.toMatchObject({
        reason: 'PlatformMismatch',
      });
      expect(await bench.harness.engine.listImages(bench.signal)).toEqual(before);
    });

    test('that is aborted rejects with the reason of the signal and leaves nothing', async () => {
      await bench.harness.serve('app', '1', { seed: 'aborted' });
      bench.harness.holdPulls();
      const controller = new AbortController();
      const pulling = bench.pull(bench.toReference('app'), { signal: controller.signal });
      await Promise.race([bench.harness.untilPulling(), pulling]);
      controller.abort(new Error('mine'));
      await expect(pulling).rejects.toThrow('mine');
      expect(await bench.listNames()).toEqual([]);
    });

    test('whose signal was aborted before is not started', async () => {
      await bench.harness.serve('app', '1');
      await expect(
        bench.pull(bench.toReference('app'), { signal: AbortSignal.abort(new Error('mine')) }),
      ).rejects.toThrow('mine');
      expect(await bench.listNames()).toEqual([]);
    });
  });
}
