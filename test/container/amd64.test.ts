import { chmod, chown, link, mkdir, mkdtemp, readFile, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readLimits } from '#lab/container/limits';
import { findFreePort } from '#lab/free-port';
import { startContainerScene } from './scene.ts';
import { toObject, WAIT } from '../e2e/scene.ts';

test('pulls, reports and answers as edgeAgent starts it', async () => {
  const { push, desire, waitForReady, startContainer, call, engine, blobs } =
    await startContainerScene('amd64');
  const names = ['a', 'b', 'c'];
  for (const name of names) await push(`acme/${name}:1`, ['base', name], 300_000);
  desire({ hello: 'hello-world', ...Object.fromEntries(names.map((name) => [name, `acme/${name}:1`])) });
  const container = await startContainer();
  console.log('createOptions as run:', JSON.stringify(container.createOptions));
  const reported = await waitForReady(60_000);
  expect(toObject(reported['summary'])).toMatchObject({ desired: 4, pulled: 4, failed: 0 });
  // Four configurations, hello-world's layer, one that all share and one of each.
  expect(blobs().count).toBe(4 + 1 + 1 + 3);
  for (const { image, digest } of Object.values(toObject(reported['images'])).map(toObject)) {
    expect((await engine.inspect(String(image)))?.digests.join()).toContain(String(digest));
  }

  expect(await call('ping')).toMatchObject({ status: 200 });
  expect(await call('GetStatus', { images: ['a'] })).toMatchObject({
    status: 200,
    payload: { images: { a: { phase: 'Pulled' } } },
  });
  const asked = await call('PullImages', { images: ['a'], force: true });
  expect(asked).toMatchObject({ status: 202 });
  const { correlationId } = toObject(asked.payload);
  await expect
    .poll(async () => toObject((await call('GetTaskStatus', { correlationId })).payload)['status'], {
      timeout: 30_000,
    })
    .toBe('Completed');

  const { running, outOfMemory } = await container.state();
  expect({ running, outOfMemory }).toEqual({ running: true, outOfMemory: false });
});

test('goes on with the second password when the first is rotated away', async () => {
  const { push, desire, edge, registry, plant, passwords, waitForReady, startContainer } =
    await startContainerScene('amd64');
  await push('acme/rotated:1', ['rotated']);
  const registryCredentials = { plant: { ...plant, password2: passwords.two } };
  desire({ hello: 'hello-world' }, {}, registryCredentials);
  await startContainer();
  await waitForReady(60_000);
  expect(toObject(toObject(edge.reported()['registries'])['plant'])['credential']).toBe('password');

  const token = registry.tokens.get(plant.username);
  if (token === undefined) throw new Error('the scene has no token');
  registry.tokens.set(plant.username, { ...token, passwords: { password2: { value: passwords.two } } });
  desire({ hello: 'hello-world', rotated: 'acme/rotated:1' }, {}, registryCredentials);
  await waitForReady(60_000);
  expect(toObject(toObject(edge.reported()['registries'])['plant'])).toMatchObject({
    login: 'Succeeded',
    credential: 'password2',
  });
});

test('runs without a capability, without a way to gain one, and on a root that cannot be written', async () => {
  const { edge, startContainer } = await startContainerScene('amd64');
  const container = await startContainer();
  await expect.poll(() => edge.connected, { timeout: 30_000 }).toBe(true);
  for (const pid of [(await container.state()).pid, await container.programPid()]) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:(\t1000){4}$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status.match(/^Cap(Eff|Prm|Bnd):\t0{16}$/gm)).toHaveLength(3);
    const mounts = (await readFile(`/proc/${pid}/mountinfo`, 'utf8'))
      .split('\n')
      .map((line) => line.split(' '));
    expect(mounts.find((fields) => fields[4] === '/')?.[5]).toMatch(/^ro,/);
    expect(mounts.find((fields) => fields[4] === '/iotedge/storage')?.[5]).toMatch(/^rw,/);
  }
});

test('runs within 96 MB and half a CPU', async () => {
  const { edge, startContainer } = await startContainerScene('amd64');
  const container = await startContainer();
  await expect.poll(() => edge.connected, WAIT).toBe(true);
  expect(await readLimits(await container.programPid())).toEqual({ memoryBytes: 96 * 1024 ** 2, cpus: 0.5 });
});

test('ends with exit code 0 when it is stopped, within the ten seconds that it is given', async () => {
  const { edge, startContainer } = await startContainerScene('amd64');
  const container = await startContainer();
  await expect.poll(() => edge.connected, { timeout: 30_000 }).toBe(true);
  const startedMs = Date.now();
  expect(await container.stop()).toMatchObject({ running: false, exitCode: 0 });
  expect(Date.now() - startedMs).toBeLessThan(10_000);
  expect(await container.logs()).toContain('ended');
});

/** A folder of the host that is bound into the container, with the engine's socket in it or something else. */
const BOUND = '/run/engine';

test.each([
  {
    cause: 'there is no socket',
    says: /There is no socket at \/run\/engine\/docker\.sock/,
    spoil: () => Promise.resolve(),
    mend: (path: string, socketPath: string) => link(socketPath, path),
  },
  {
    cause: 'a folder is in its place',
    says: /\/run\/engine\/docker\.sock is a folder, not the engine's socket/,
    spoil: (path: string) => mkdir(path),
    async mend(path: string, socketPath: string) {
      await rmdir(path);
      await link(socketPath, path);
    },
  },
  {
    cause: 'its group is another one',
    says: /Permission denied for user 1000 at .*add "4321" to GroupAdd/,
    async spoil(path: string, socketPath: string) {
      await link(socketPath, path);
      await chown(path, 0, 4321);
      await chmod(path, 0o660);
    },
    mend: (path: string, _socketPath: string, gid: number) => chown(path, 0, gid),
  },
])(
  'says in log and report why the socket cannot be opened, and goes on when it is mended: $cause',
  async (fault) => {
    const { desire, waitForPhases, waitForReady, edge, startContainer, filter } =
      await startContainerScene('amd64');
    const { pathname: socketPath } = new URL(filter?.dockerHost ?? '');
    // Only on its own disk can a socket have a second name.
    const folder = await mkdtemp(`${socketPath}-`);
    await chmod(folder, 0o755);
    const path = join(folder, 'docker.sock');
    const { gid } = await stat(socketPath);
    await fault.spoil(path, socketPath);
    desire({ hello: 'hello-world' });
    const container = await startContainer({
      hostConfig: { Binds: [`${folder}:${BOUND}`] },
      environment: { DOCKER_HOST: `unix://${BOUND}/docker.sock`, storageFolder: '' },
    });
    await waitForPhases({ hello: 'Failed EngineUnavailable' }, 60_000);
    expect(JSON.stringify(edge.reported()).replaceAll(String.raw`\"`, '"')).toMatch(fault.says);
    expect((await container.logs()).replaceAll(String.raw`\"`, '"')).toMatch(fault.says);
    expect(await container.state()).toMatchObject({ running: true });
    await fault.mend(path, socketPath, gid);
    await waitForReady(60_000);
  },
);

test('says that a folder is in the place of the socket where the host had none when it was created', async () => {
  const { dir, desire, waitForPhases, edge, startContainer } = await startContainerScene('amd64');
  desire({ hello: 'hello-world' });
  // The engine makes a folder of a bind whose source is missing.
  const container = await startContainer({ socketPath: join(dir, 'missing.sock') });
  await waitForPhases({ hello: 'Failed EngineUnavailable' }, 60_000);
  expect(JSON.stringify(edge.reported())).toMatch(/is a folder, not the engine's socket/);
  expect(await container.state()).toMatchObject({ running: true });
});

/** Of the HEALTHCHECK, in nanoseconds: soon enough for a test. */
const QUICK_CHECKS = { Interval: 500e6, Timeout: 5e9, StartPeriod: 0, Retries: 2 };

const HEALTH_WAIT = { timeout: 60_000, interval: 100 };

test('is healthy where it has no port to be asked at', async () => {
  const { startContainer } = await startContainerScene('amd64');
  const container = await startContainer({ environment: { HTTP_PORT: '0' }, healthcheck: QUICK_CHECKS });
  await expect.poll(async () => (await container.state()).health, HEALTH_WAIT).toBe('healthy');
});

test('is healthy while engine, registry and edgeHub are away, and unhealthy when it hangs', async () => {
  const { edge, registry, startContainer } = await startContainerScene('amd64');
  registry.faults.hang = true;
  await edge.stopHub();
  const container = await startContainer({
    environment: { HTTP_PORT: String(await findFreePort()), DOCKER_HOST: 'unix:///run/absent.sock' },
    healthcheck: QUICK_CHECKS,
  });
  await expect.poll(async () => (await container.state()).health, HEALTH_WAIT).toBe('healthy');
  process.kill(await container.programPid(), 'SIGSTOP');
  await expect.poll(async () => (await container.state()).health, HEALTH_WAIT).toBe('unhealthy');
});

test('answers a technician by docker exec, on a read-only root, and nobody else', async () => {
  const { push, desire, waitForPhases, startContainer } = await startContainerScene('amd64');
  await push('acme/here:1', ['here'], 300_000);
  desire({ here: 'acme/here:1', gone: 'acme/gone:1' }, { retryInitialSeconds: 600, retryMaxSeconds: 600 });
  const container = await startContainer();
  await waitForPhases({ here: 'Pulled', gone: 'Failed NotFound' }, 60_000);
  const status = await container.exec('status');
  expect(status.exitCode).toBe(1);
  expect(status.output).toMatch(/^here +Pulled +\d+ kB/m);
  expect(status.output).toMatch(/^gone: NotFound/m);
  const checked = await container.exec('check', 'plant', '--image', 'acme/here:1');
  expect(checked).toMatchObject({ exitCode: 0, output: expect.stringMatching(/✓ manifest/) as string });
  await push('acme/gone:1', ['gone'], 300_000);
  expect(await container.exec('pull', 'gone')).toMatchObject({ exitCode: 0 });
  await waitForPhases({ here: 'Pulled', gone: 'Pulled' }, 60_000);
  const ready = await container.exec('status');
  expect(ready).toMatchObject({
    exitCode: 0,
    output: expect.stringContaining('Ready: 2 of 2 images') as string,
  });
  expect((await container.exec('version')).output).toMatch(
    /^connected-registry-puller \d+\.\d+\.\d+\nrunning since /,
  );
  expect(await container.exec('status', '--colour')).toMatchObject({ exitCode: 2 });

  const folder = `/proc/${await container.programPid()}/root/dev/shm/connected-registry-puller`;
  for (const [path, mode] of [
    [folder, 0o700],
    [`${folder}/control.sock`, 0o600],
  ] as const) {
    const { uid, mode: bits } = await stat(path);
    expect({ path, uid, mode: bits & 0o777 }).toEqual({ path, uid: 1000, mode });
  }
  expect(await container.state()).toMatchObject({ running: true, outOfMemory: false });
});
