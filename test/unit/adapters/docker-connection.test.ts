import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createDockerEngine } from '#adapters/docker';
import { createDockerConnection, QUERY_TIMEOUT_MS } from '#adapters/docker-connection';
import { makeTempDir, startStubEngine } from '#test/unit/adapters/stub-engine';

const { signal } = new AbortController();
const list = (dockerHost: string): Promise<unknown> => createDockerEngine({ dockerHost }).listImages(signal);

const unavailable = (words: string): object => ({
  name: 'AgentError',
  reason: 'EngineUnavailable',
  message: expect.stringContaining(words),
});

describe('an engine that cannot be reached says why', () => {
  test('no socket', async () => {
    const path = join(await makeTempDir(), 'docker.sock');
    await expect(list(`unix://${path}`)).rejects.toMatchObject(unavailable(`There is no socket at ${path}`));
  });

  test('a folder, which Docker makes where there is nothing to bind', async () => {
    const path = join(await makeTempDir(), 'docker.sock');
    await mkdir(path);
    await expect(list(`unix://${path}`)).rejects.toMatchObject(unavailable(`${path} is a folder`));
  });

  test('a socket that nobody listens at', async () => {
    const path = join(await makeTempDir(), 'docker.sock');
    await writeFile(path, '');
    await expect(list(`unix://${path}`)).rejects.toMatchObject(unavailable(`Nobody listens at ${path}`));
  });

  // Only root may become somebody whom the socket refuses.
  test.skipIf(process.getuid?.() !== 0)('no permission, with the group to add', async () => {
    const { socketPath, dockerHost } = await startStubEngine(() => undefined);
    await chmod(join(socketPath, '..'), 0o755);
    await chmod(socketPath, 0o600);
    process.seteuid?.(65_534);
    onTestFinished(() => process.seteuid?.(0));
    await expect(list(dockerHost)).rejects.toMatchObject(unavailable('add "0" to GroupAdd'));
  });

  test('no answer at a port', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await new Promise((resolve) => server.close(resolve));
    await expect(list(`tcp://127.0.0.1:${port}`)).rejects.toMatchObject(
      unavailable(`No engine at tcp://127.0.0.1:${port}`),
    );
  });
});

describe('a question', () => {
  const never = (): Promise<never> => new Promise(() => undefined);
  const { ask } = createDockerConnection('unix:///nowhere/docker.sock');

  test.each([
    ['EngineUnavailable', undefined],
    ['RegistryUnreachable', { address: 'edge.local:8000', credential: undefined }],
  ])('that is never answered fails after 30 s with %s', async (reason, registry) => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const answer = ask(signal, never, registry);
    vi.advanceTimersByTime(QUERY_TIMEOUT_MS);
    await expect(answer).rejects.toMatchObject({ reason });
  });

  test('that is aborted ends at once with the reason of the signal', async () => {
    const asked = new AbortController();
    const answer = ask(asked.signal, never);
    asked.abort(new Error('mine'));
    await expect(answer).rejects.toThrow('mine');
  });

  test('is not asked with a signal that was aborted before', async () => {
    let isAsked = false;
    const question = (): Promise<void> => Promise.resolve(void (isAsked = true));
    await expect(ask(AbortSignal.abort(new Error('mine')), question)).rejects.toThrow('mine');
    expect(isAsked).toBe(false);
  });

  test('leaves an error that is neither an answer nor the connection’s as it is', async () => {
    const bug = new TypeError('a bug');
    await expect(ask(signal, () => Promise.reject(bug))).rejects.toBe(bug);
  });
});
