import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createDockerEngine } from '#adapters/docker';
import { createDockerConnection, QUERY_TIMEOUT_MS } from '#adapters/docker-connection';
import { answerJson, makeTempDir, startStubEngine } from '#test/unit/adapters/stub-engine';

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
    await expect(list(`unix://${path}`)).rejects.toMatchObject(unavailable('allowed_bind_sources'));
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
  const always = (): Promise<string> => Promise.resolve('OK');
  const { ask } = createDockerConnection('unix:///nowhere/docker.sock', always);
  const plant = { address: 'edge.local:8000', credential: undefined };

  /** After how many seconds it fails, and with which reason. */
  async function waitInVain(
    sendPing: () => Promise<unknown>,
    registry?: typeof plant,
  ): Promise<readonly [number, unknown]> {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const beganAtMs = Date.now();
    const ended = createDockerConnection('unix:///nowhere/docker.sock', sendPing)
      .ask(signal, never, registry)
      .catch((error: unknown) => [(Date.now() - beganAtMs) / 1000, error] as const);
    await vi.advanceTimersByTimeAsync(QUERY_TIMEOUT_MS);
    expect(vi.getTimerCount()).toBe(0);
    return ended;
  }

  test.each([
    ['EngineUnavailable', 'The engine did not answer within 30 s.', undefined],
    ['RegistryUnreachable', 'The engine had no answer from edge.local:8000 within 30 s.', plant],
  ])('that is never answered fails after 30 s with %s', async (reason, message, registry) => {
    expect(await waitInVain(always, registry)).toEqual([30, expect.objectContaining({ reason, message })]);
  });

  test.each([
    ['about nothing else', undefined],
    ['about a registry', plant],
  ])('%s to an engine that is silent altogether fails after 19 s', async (_, registry) => {
    expect(await waitInVain(never, registry)).toEqual([
      19,
      expect.objectContaining(unavailable('The engine did not answer within 9 s.')),
    ]);
  });

  test('to an engine that falls silent meanwhile fails when it is asked the next time', async () => {
    let pings = 0;
    const once = (): Promise<unknown> => ((pings += 1) === 1 ? always() : never());
    expect(await waitInVain(once, plant)).toEqual([
      29,
      expect.objectContaining({ reason: 'EngineUnavailable' }),
    ]);
  });

  test('that is answered in the end leaves no ping behind', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const connection = createDockerConnection('unix:///nowhere/docker.sock', never);
    const slow = (): Promise<string> =>
      new Promise((resolve) => void setTimeout(() => resolve('here'), 12_000));
    const answer = connection.ask(signal, slow, plant);
    await vi.advanceTimersByTimeAsync(12_000);
    expect([await answer, vi.getTimerCount()]).toEqual(['here', 0]);
  });

  test('to an engine whose socket has gone says so', async () => {
    const gone = (): Promise<never> => Promise.reject(Object.assign(new Error('no'), { code: 'ENOENT' }));
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const ended = createDockerConnection('unix:///nowhere/docker.sock', gone)
      .ask(signal, never, plant)
      .catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(10_000);
    // It is said after a look at the file system, which takes a time of its own.
    expect(await ended).toMatchObject(unavailable('no socket at'));
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

describe('a ping', () => {
  test('is answered by whatever the engine says, and by whoever stands before it', async () => {
    for (const status of [200, 403, 500]) {
      const { dockerHost, requests } = await startStubEngine((_, response) =>
        answerJson(response, { message: 'no' }, status),
      );
      await createDockerEngine({ dockerHost }).ping(signal);
      expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /version']);
    }
  });

  test('that is not answered fails after 5 s', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const never = (): Promise<never> => new Promise(() => undefined);
    const ended = createDockerConnection('unix:///nowhere/docker.sock', never)
      .ping(signal)
      .catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await ended).toMatchObject(unavailable('did not answer within 5 s'));
  });
});
