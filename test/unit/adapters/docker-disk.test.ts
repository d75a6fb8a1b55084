import { statfs } from 'node:fs/promises';
import type * as FileSystem from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import { createDockerEngine } from '#adapters/docker';
import { answerJson, startStubEngine } from '#test/unit/adapters/stub-engine';

vi.mock('node:fs/promises', async (importOriginal) => ({
  ...(await importOriginal<typeof FileSystem>()),
  statfs: vi.fn<(path: string) => Promise<unknown>>(),
}));

test('a disk that hangs holds nobody up, and is asked once', async () => {
  const { dockerHost } = await startStubEngine((_, response) => answerJson(response, { DockerRootDir: '/' }));
  const engine = createDockerEngine({ dockerHost });
  const { promise, resolve } = Promise.withResolvers<{ bavail: number; bsize: number }>();
  vi.mocked(statfs as (path: string) => Promise<unknown>).mockReturnValue(promise);
  for (let times = 0; times < 3; times += 1) {
    const ending = new AbortController();
    const asked = engine.fetchFreeBytes(ending.signal);
    await vi.waitFor(() => expect(statfs).toHaveBeenCalled());
    ending.abort();
    expect(await asked).toBeUndefined();
  }
  expect(statfs).toHaveBeenCalledTimes(1);
  resolve({ bavail: 3, bsize: 4096 });
  expect(await engine.fetchFreeBytes(new AbortController().signal)).toBe(3 * 4096);
});
