import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createDockerEngine } from '#adapters/docker';
import type { Credential } from '#core/desired-state';
import { Secret } from '#core/secret';
import { answerJson, startStubEngine } from '#test/unit/adapters/stub-engine';

const { signal } = new AbortController();
const reference = { registry: 'edge.local:8000', repository: 'group/app', tag: '1' };
const digest = `sha256:${'1e'.repeat(32)}`;

const toCredential = (password: string): Credential => ({
  name: 'password',
  username: 'device',
  password: new Secret(password),
});

/** What the engine reads in X-Registry-Auth: it takes URL-safe base64 with its padding, and nothing else. */
function readAuth({ headers }: IncomingMessage): unknown {
  const header = String(headers['x-registry-auth']);
  expect(header).toMatch(/^[A-Za-z0-9_-]+={0,2}$/);
  expect(header.length % 4).toBe(0);
  return JSON.parse(Buffer.from(header, 'base64url').toString());
}

describe('a password', () => {
  test.each(['abc', 'abcd', 'abcde', '?>?>?>~~~', 'ÿÿÿÿ¿¿¿', '密码🔑', '"\\'])(
    'reaches the engine whole, with the address of the reference: %s',
    async (password) => {
      const { dockerHost, requests } = await startStubEngine((_, response) =>
        answerJson(response, { Descriptor: { digest }, Platforms: [] }),
      );
      const engine = createDockerEngine({ dockerHost });
      await engine.fetchManifest(reference, toCredential(password), signal);
      const [request] = requests;
      expect(request && readAuth(request)).toEqual({
        username: 'device',
        password,
        serveraddress: 'edge.local:8000',
      });
      expect(request?.url).toBe('/distribution/edge.local:8000/group/app:1/json');
    },
  );

  test('that a registry repeats is in nothing that is told of what the engine says', async () => {
    const words = 'unauthorized: hunter2 is not the password';
    let pullStatus = 500;
    const { dockerHost } = await startStubEngine(({ method, url = '' }, response) => {
      if (['/version', '/info'].includes(url)) answerJson(response, {});
      else if (url.startsWith('/images/create') && pullStatus === 200)
        response.end(`${JSON.stringify({ error: words })}\n`);
      else if (method === 'GET' && url.startsWith('/images')) answerJson(response, { message: 'no' }, 404);
      else answerJson(response, { message: words }, 500);
    });
    const engine = createDockerEngine({ dockerHost });
    const credential = toCredential('hunter2');
    const pull = () =>
      engine.pull({ reference, credential, platform: undefined, signal, onLayer: () => undefined });
    const told = 'unauthorized: [secret] is not the password';
    await expect(engine.login(reference.registry, credential, signal)).rejects.toThrow(told);
    await expect(engine.fetchManifest(reference, credential, signal)).rejects.toThrow(told);
    await expect(pull()).rejects.toThrow(told);
    pullStatus = 200;
    await expect(pull()).rejects.toThrow(told);
  });

  test('is in no URL', async () => {
    const { dockerHost, requests } = await startStubEngine(({ method, url = '' }, response) => {
      if (['/version', '/info'].includes(url)) answerJson(response, {});
      else answerJson(response, { message: 'no' }, method === 'GET' ? 404 : 500);
    });
    const engine = createDockerEngine({ dockerHost });
    const credential = toCredential('hunter2');
    await expect(engine.login(reference.registry, credential, signal)).rejects.toThrow('no');
    const onLayer = (): void => undefined;
    await expect(
      engine.pull({ reference, credential, platform: undefined, signal, onLayer }),
    ).rejects.toThrow('no');
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST /auth',
      'GET /images/edge.local:8000/group/app:1/json?manifests=true',
      'GET /version',
      'GET /info',
      'POST /images/create?fromImage=edge.local%3A8000%2Fgroup%2Fapp&tag=1',
    ]);
  });
});

describe('a login that the registry calls denied, as old GitLabs do', () => {
  const startDenying = async () => {
    const message = 'Get "https://edge.local:8000/v2/": denied: access forbidden';
    const { dockerHost } = await startStubEngine((_, response) => answerJson(response, { message }, 500));
    return createDockerEngine({ dockerHost });
  };

  test('is a refused password: a login asks for no right', async () => {
    const engine = await startDenying();
    await expect(engine.login(reference.registry, toCredential('one'), signal)).rejects.toMatchObject({
      reason: 'Unauthorized',
      message: expect.stringContaining('denied: access forbidden') as string,
    });
  });

  test('shows without a password that the registry is there', async () => {
    const engine = await startDenying();
    await expect(engine.login(reference.registry, undefined, signal)).resolves.toBeUndefined();
  });
});

test('pulls that begin together or follow closely ask what the engine is once', async () => {
  const { promise: isReleased, resolve: release } = Promise.withResolvers<void>();
  const { dockerHost, requests } = await startStubEngine(({ method, url = '' }, response) => {
    if (url === '/version') answerJson(response, {});
    else if (url === '/info') void isReleased.then(() => answerJson(response, {}));
    else answerJson(response, { message: 'no' }, method === 'GET' ? 404 : 500);
  });
  const countOf = (path: string): number => requests.filter(({ url = '' }) => url.startsWith(path)).length;
  const engine = createDockerEngine({ dockerHost });
  const pull = (until: AbortSignal) =>
    engine.pull({
      reference,
      credential: toCredential('one'),
      platform: undefined,
      signal: until,
      onLayer: () => undefined,
    });
  const given = new AbortController();
  const together = Promise.allSettled([given.signal, signal, signal].map(pull));
  await vi.waitFor(() => expect([countOf('/images'), countOf('/info')]).toEqual([3, 1]));
  // Who asked first lets go, and the others have their answer all the same.
  given.abort(new Error('let go'));
  release();
  expect((await together).map((outcome) => outcome.status === 'rejected' && outcome.reason)).toEqual([
    new Error('let go'),
    expect.objectContaining({ message: 'no' }),
    expect.objectContaining({ message: 'no' }),
  ]);
  await expect(pull(signal)).rejects.toThrow('no');
  expect([countOf('/info'), countOf('/version')]).toEqual([1, 1]);
  // Whoever asks what it is gets an answer of now.
  await engine.fetchInfo(signal);
  expect([countOf('/info'), countOf('/version')]).toEqual([2, 2]);
});

test('a pull after one that got no answer asks what the engine is anew', async () => {
  let infos = 0;
  const { dockerHost } = await startStubEngine(({ method, url = '' }, response) => {
    if (url === '/info') answerJson(response, { message: 'not yet' }, (infos += 1) === 1 ? 500 : 200);
    else if (url === '/version') answerJson(response, {});
    else answerJson(response, { message: 'no' }, method === 'GET' ? 404 : 500);
  });
  const engine = createDockerEngine({ dockerHost });
  const request = { reference, credential: toCredential('one'), platform: undefined, signal };
  const pull = () => engine.pull({ ...request, onLayer: () => undefined });
  await expect(pull()).rejects.toThrow('not yet');
  await expect(pull()).rejects.toThrow('no');
  expect(infos).toBe(2);
});

describe('an answer of the engine', () => {
  test('that leaves names out, or calls them none, gives an image without names', async () => {
    const { dockerHost } = await startStubEngine((_, response) =>
      answerJson(response, [
        { Id: 'sha256:a', Size: 5, RepoTags: null, RepoDigests: null },
        { Id: 'sha256:b', Size: 6, RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] },
        { Id: 'sha256:c', Size: 7, RepoTags: ['edge.local/app:1'] },
      ]),
    );
    expect(await createDockerEngine({ dockerHost }).listImages(signal)).toEqual([
      { id: 'sha256:a', sizeBytes: 5, tags: [], digests: [] },
      { id: 'sha256:b', sizeBytes: 6, tags: [], digests: [] },
      { id: 'sha256:c', sizeBytes: 7, tags: ['edge.local/app:1'], digests: [] },
    ]);
  });

  test('about images of Docker Hub gets back the registry that it leaves out', async () => {
    const { dockerHost } = await startStubEngine((_, response) =>
      answerJson(response, [
        { Id: 'sha256:a', Size: 5, RepoTags: ['app:1', 'group/app:1', 'localhost/app:1'], RepoDigests: [] },
      ]),
    );
    const [image] = await createDockerEngine({ dockerHost }).listImages(signal);
    expect(image?.tags).toEqual(['docker.io/library/app:1', 'docker.io/group/app:1', 'localhost/app:1']);
  });

  test('about an image that was pulled by digest has no tag, where the containerd store says so', async () => {
    const name = `edge.local/app@${digest}`;
    const { dockerHost } = await startStubEngine((_, response) =>
      answerJson(response, [{ Id: digest, Size: 5, RepoTags: [name], RepoDigests: [name] }]),
    );
    const [image] = await createDockerEngine({ dockerHost }).listImages(signal);
    expect(image).toMatchObject({ tags: [], digests: [name] });
  });

  test('about an image with tags of two repositories has the digest of both, where the containerd store says one', async () => {
    const tags = ['edge.local/app:1', 'contoso.azurecr.io/app:1', 'edge.local/app:2'];
    const named = (Id: string): object => ({
      Id,
      Size: 5,
      RepoTags: tags,
      RepoDigests: [`contoso.azurecr.io/app@${digest}`],
    });
    const config = `sha256:${'c'.repeat(64)}`;
    const { dockerHost } = await startStubEngine((_, response) =>
      answerJson(response, [named(digest), named(config)]),
    );
    const [image, classic] = await createDockerEngine({ dockerHost }).listImages(signal);
    expect(image?.digests).toEqual([`contoso.azurecr.io/app@${digest}`, `edge.local/app@${digest}`]);
    expect(classic?.digests).toEqual([`contoso.azurecr.io/app@${digest}`]);
  });

  test('about an image of several platforms names those that were pulled', async () => {
    const toManifest = (architecture: string, Available: boolean): object => ({
      Available,
      ImageData: { Platform: { os: 'linux', architecture } },
    });
    const attestation = { Available: true, Kind: 'attestation' };
    const Manifests = [toManifest('amd64', true), toManifest('arm64', false), attestation];
    const { dockerHost } = await startStubEngine((_, response) =>
      answerJson(response, [{ Id: digest, Size: 5, RepoTags: null, RepoDigests: null, Manifests }]),
    );
    const [image] = await createDockerEngine({ dockerHost }).listImages(signal);
    expect(image?.platforms).toEqual([{ os: 'linux', architecture: 'amd64' }]);
  });

  test('names the containerd store', async () => {
    const { dockerHost } = await startStubEngine((request, response) =>
      request.url === '/info'
        ? answerJson(response, { DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']] })
        : answerJson(response, { Version: '29.0.0', Os: 'linux', Arch: 'arm64' }),
    );
    expect(await createDockerEngine({ dockerHost }).fetchInfo(signal)).toEqual({
      version: '29.0.0',
      platform: { os: 'linux', architecture: 'arm64' },
      store: 'containerd',
    });
  });

  test('about a manifest leaves out what is no platform', async () => {
    const Platforms = [
      { os: 'linux', architecture: 'arm', variant: 'v7' },
      { os: 'linux', architecture: 'amd64' },
      { os: 'unknown', architecture: 'unknown' },
      { os: '', architecture: '' },
    ];
    const { dockerHost } = await startStubEngine((_, response) =>
      answerJson(response, { Descriptor: { digest }, Platforms }),
    );
    expect(await createDockerEngine({ dockerHost }).fetchManifest(reference, undefined, signal)).toEqual({
      digest,
      platforms: [
        { os: 'linux', architecture: 'arm', variant: 'v7' },
        { os: 'linux', architecture: 'amd64' },
      ],
    });
  });

  test('that is a 500 has its reason from its words', async () => {
    const message = 'Get "https://edge.local:8000/v2/": dial tcp: lookup edge.local: no such host';
    const { dockerHost } = await startStubEngine((_, response) => answerJson(response, { message }, 500));
    await expect(
      createDockerEngine({ dockerHost }).fetchManifest(reference, undefined, signal),
    ).rejects.toMatchObject({ name: 'AgentError', reason: 'RegistryUnreachable', message });
  });
});

test('an engine that has no question for a manifest, as Podman, is told apart from an absent tag', async () => {
  const { dockerHost } = await startStubEngine((_, response) => {
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('Not Found\n');
  });
  const asking = createDockerEngine({ dockerHost }).fetchManifest(reference, undefined, signal);
  await expect(asking).rejects.toMatchObject({
    reason: 'Unknown',
    message: expect.stringContaining('no GET /distribution') as string,
  });
});

test('a pull that the engine calls done without the image being there is a failure', async () => {
  const { dockerHost } = await startStubEngine((request, response) => {
    if (request.method === 'GET') answerJson(response, { message: 'No such image' }, 404);
    else response.end('{"status":"Status: Downloaded newer image for edge.local:8000/group/app:1"}');
  });
  const onLayer = (): void => undefined;
  await expect(
    createDockerEngine({ dockerHost }).pull({
      reference,
      credential: undefined,
      platform: undefined,
      signal,
      onLayer,
    }),
  ).rejects.toMatchObject({ reason: 'Unknown', message: expect.stringContaining('without an error') });
});

test('a name that the engine did not find is looked for again, to hear why', async () => {
  const { dockerHost, requests } = await startStubEngine((request, response) => {
    const [, kind] = request.url?.split('/') ?? [];
    if (kind === 'distribution') answerJson(response, { message: 'unknown: <html></html>' }, 500);
    else if (request.method === 'GET') answerJson(response, { message: 'No such image' }, 404);
    else answerJson(response, { message: 'failed to resolve reference "a": a: not found' }, 404);
  });
  const onLayer = (): void => undefined;
  await expect(
    createDockerEngine({ dockerHost }).pull({
      reference,
      credential: undefined,
      platform: undefined,
      signal,
      onLayer,
    }),
  ).rejects.toMatchObject({ reason: 'RegistryError' });
  expect(requests.at(-1)?.url).toBe('/distribution/edge.local:8000/group/app:1/json');
});

test('an engine that ends in mid-pull is unavailable, and no other failure', async () => {
  const { dockerHost } = await startStubEngine((request, response) => {
    if (request.method === 'GET') {
      answerJson(response, { message: 'No such image' }, 404);
      return;
    }
    response.write('{"status":"Pulling fs layer","id":"a"}\n');
    setImmediate(() => response.destroy());
  });
  const onLayer = (): void => undefined;
  const engine = createDockerEngine({ dockerHost });
  await expect(
    engine.pull({ reference, credential: undefined, platform: undefined, signal, onLayer }),
  ).rejects.toMatchObject({ reason: 'EngineUnavailable' });
});

test.each([
  ['tcp://127.0.0.1', 2375],
  ['tcp://127.0.0.1:80', 80],
  ['http://127.0.0.1:80', 80],
  ['https://127.0.0.1:443', 443],
  ['https://127.0.0.1:2376', 2376],
])('an engine at %s is asked at port %i', async (dockerHost, port) => {
  const connect = vi.spyOn(Socket.prototype, 'connect').mockImplementation(function refuse(this: Socket) {
    return this.destroy(new Error('nobody is there'));
  });
  onTestFinished(() => connect.mockRestore());
  await expect(createDockerEngine({ dockerHost }).listImages(signal)).rejects.toThrow('nobody is there');
  const [options] = connect.mock.calls.flat(2) as unknown[];
  expect(options).toMatchObject({ host: '127.0.0.1' });
  expect(Number(Reflect.get(Object(options), 'port'))).toBe(port);
});

describe('names that are taken away at once', () => {
  test('go one after another', async () => {
    const held: (() => void)[] = [];
    const { dockerHost, requests } = await startStubEngine((request, response) => {
      if (request.method === 'DELETE') held.push(() => answerJson(response, []));
      else answerJson(response, []);
    });
    const engine = createDockerEngine({ dockerHost });
    const names = ['a', 'b', 'c', 'd'].map((name) => `edge.local:8000/${name}:1`);
    const removed = Promise.all(names.map((name) => engine.untag(name, signal)));
    for (let count = 1; count <= names.length; count += 1) {
      await vi.waitFor(() => expect(held).toHaveLength(count));
      // Whatever else was to come at once has come when the engine has answered this.
      await engine.listImages(signal);
      expect(held).toHaveLength(count);
      held[count - 1]?.();
    }
    expect(await removed).toEqual(names.map(() => true));
    expect(requests.filter(({ method }) => method === 'DELETE')).toHaveLength(4);
  });

  test('wait no longer than they may, and are not taken away after that', async () => {
    const held: (() => void)[] = [];
    const { dockerHost, requests } = await startStubEngine((request, response) => {
      if (request.method === 'DELETE') held.push(() => answerJson(response, []));
      else answerJson(response, []);
    });
    const engine = createDockerEngine({ dockerHost });
    const first = engine.untag('edge.local:8000/a:1', signal);
    await vi.waitFor(() => expect(held).toHaveLength(1));
    const ending = new AbortController();
    const second = engine.untag('edge.local:8000/b:1', ending.signal);
    await engine.listImages(signal);
    ending.abort(new Error('no time left'));
    await expect(second).rejects.toThrow('no time left');
    held[0]?.();
    expect(await first).toBe(true);
    const third = engine.untag('edge.local:8000/c:1', signal);
    await vi.waitFor(() => expect(held).toHaveLength(2));
    held[1]?.();
    expect(await third).toBe(true);
    const taken = requests.flatMap(({ method, url }) => (method === 'DELETE' ? [url] : []));
    expect(taken).toEqual(['a', 'c'].map((name) => `/images/edge.local:8000/${name}:1`));
  });
});

test('DOCKER_HOST and its like do not lead away from the engine that was given', async () => {
  const { dockerHost } = await startStubEngine((_, response) => answerJson(response, []));
  vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:1');
  vi.stubEnv('DOCKER_TLS_VERIFY', '1');
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(await createDockerEngine({ dockerHost }).listImages(signal)).toEqual([]);
});
