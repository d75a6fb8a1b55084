import { describe, expect, test } from 'vitest';
import { createDockerEngine } from '#adapters/docker';
import { AgentError } from '#core/reason';
import { Secret } from '#core/secret';
import { answerJson, startStubEngine } from '#test/unit/adapters/stub-engine';
import { challengeThenAnswer, startStubRegistry } from '#test/unit/adapters/stub-registry';
import { startAside } from '#test/unit/relay/site';

const credential = { name: 'password', username: 'device', password: new Secret('hunter2') } as const;
const CONTAINERD = [['driver-type', 'io.containerd.snapshotter.v1']];
const CLASSIC = [['Backing Filesystem', 'extfs']];

const startRegistry = (status = 200) =>
  startStubRegistry((request, response, address) =>
    challengeThenAnswer(request, response, {
      challenge: `Bearer realm="http://${address}/token",service="plant"`,
      body: '{"access_token":"jwt"}',
      status,
    }),
  );

interface EngineTraits {
  readonly version: string;
  readonly driverStatus: unknown;
  readonly insecure?: readonly string[];
  /** What it says to the pull. */
  readonly refusal?: string;
  /** The host's address. */
  readonly host?: string;
}

/** A pull from `registry` by an engine that refuses it: what the engine is sent, and how the pull fails. */
async function pull(
  registry: string,
  { version, driverStatus, insecure = ['127.0.0.0/8'], refusal = 'no', host }: EngineTraits,
  access: object = { credential },
): Promise<{ auth: unknown; reason: string }> {
  const { dockerHost, requests } = await startStubEngine(({ method, url }, response) => {
    if (url === '/version') answerJson(response, { Version: version, Os: 'linux', Arch: 'amd64' });
    else if (url === '/info') {
      const RegistryConfig = { InsecureRegistryCIDRs: insecure };
      answerJson(response, { DriverStatus: driverStatus, RegistryConfig });
    } else answerJson(response, { message: refusal }, method === 'GET' ? 404 : 500);
  });
  const { signal } = new AbortController();
  const reason = await createDockerEngine({ dockerHost, findHost: async () => host })
    .pull({
      reference: { registry, repository: 'app', tag: '1' },
      credential: undefined,
      ...access,
      platform: undefined,
      signal,
      onLayer: () => undefined,
    })
    .then(
      () => 'none',
      (error: unknown) => AgentError.of(error).reason,
    );
  const header = requests.find(({ method }) => method === 'POST')?.headers['x-registry-auth'];
  const auth: unknown =
    header === undefined ? undefined : JSON.parse(Buffer.from(String(header), 'base64url').toString());
  return { auth, reason };
}

const pullAuth = async (...options: Parameters<typeof pull>): Promise<unknown> =>
  (await pull(...options)).auth;

const withPassword = (serveraddress: string): object => ({
  username: 'device',
  password: 'hunter2',
  serveraddress,
});

describe('a pull', () => {
  test.each(['24.0.9', '28.5.2+dfsg1', '29.0.0', '29.4.9', 'dev'])(
    'by an engine %s with the containerd store has a token',
    async (version) => {
      const { address } = await startRegistry();
      expect(await pullAuth(address, { version, driverStatus: CONTAINERD })).toEqual({
        registrytoken: 'jwt',
      });
    },
  );

  test.each([
    ['29.5.0', CONTAINERD],
    ['29.10.1', CONTAINERD],
    ['30.0.0-rc.1', CONTAINERD],
    ['20.10.24+dfsg1', CLASSIC],
    ['28.5.2', CLASSIC],
    ['29.0.0', null],
  ])('by an engine %s with the store %j has user name and password', async (version, driverStatus) => {
    const { address, requests } = await startRegistry();
    expect(await pullAuth(address, { version, driverStatus })).toEqual(withPassword(address));
    expect(requests).toEqual([]);
  });

  const OLD = { version: '28.5.2', driverStatus: CONTAINERD };

  test('has user name and password where there is no token', async () => {
    const { address } = await startRegistry(401);
    expect(await pullAuth(address, OLD)).toEqual(withPassword(address));
  });

  test('tells no password to a registry that the engine would want to be secure', async () => {
    const { address, requests } = await startRegistry();
    expect(await pullAuth(address, { ...OLD, insecure: [] })).toEqual(withPassword(address));
    expect(requests).toEqual([]);
  });

  test('from the host’s own loopback has a token too', async () => {
    const { address } = await startAside({ auth: 'bearer' });
    expect(await pullAuth(address, { ...OLD, host: '127.0.0.2' })).toEqual({ registrytoken: 'token-1' });
  });

  test('from a registry that is not listed asks nobody for a token', async () => {
    const { address, requests } = await startRegistry();
    expect(await pullAuth(address, OLD, {})).toBeUndefined();
    expect(requests).toEqual([]);
  });

  test('that is refused with the token lacks the right, and with user name and password perhaps the password', async () => {
    const { address } = await startRegistry();
    const refusal = `failed to resolve reference "${address}/app:1": unexpected status: 401 Unauthorized`;
    expect(await pull(address, { ...OLD, refusal })).toMatchObject({
      auth: { registrytoken: 'jwt' },
      reason: 'AccessDenied',
    });
    expect(await pull(address, { ...OLD, version: '29.5.0', refusal })).toMatchObject({
      auth: withPassword(address),
      reason: 'Unauthorized',
    });
  });
});
