import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createCertificateAuthority, issueServerCertificate } from '#lab/certificates';
import { helloWorld } from '#lab/images/hello-world';
import { startRegistry } from '#lab/registry/registry';
import type { Registry, RegistryOptions } from '#lab/registry/registry';
import { startScene, toObject, WAIT } from './scene.ts';
import type { Json, Scene } from './scene.ts';
import { findStrictAddress } from './strict-address.ts';

/** A module that has nothing to pull, and whose registries are as given. */
async function startChecked(scene: Scene, registries?: Json): Promise<void> {
  scene.desire({}, {}, registries);
  scene.startModule();
  // The first report of all may come before the module knows what is desired.
  const isKnown = ({ registries: reported }: Json): boolean => Object.keys(toObject(reported)).length > 0;
  await scene.edge.waitForReported(isKnown, 30_000);
}

/** Calls `CheckRegistry` and picks one registry of the answer. */
async function check(scene: Scene, payload: Json = {}, name = 'plant'): Promise<Json> {
  const answer = await scene.call('CheckRegistry', payload, { timeoutMs: 25_000 });
  expect(answer.status).toBe(200);
  expect(JSON.stringify(answer.payload).length).toBeLessThan(100_000);
  return toObject(toObject(toObject(answer.payload)['registries'])[name]);
}

/** `step` or `step password`, with what became of it. */
const toOutcomes = (steps: unknown): string[] =>
  (steps as Record<string, string | undefined>[]).map(({ step, credential, result, reason }) =>
    [step, credential, result, reason].filter((part) => part !== undefined).join(' '),
  );

/** What `docs/check-registry.md` shows below a heading, with the same steps as `answer`. */
async function expectDocumented(heading: string, answer: Json): Promise<void> {
  const text = await readFile('docs/check-registry.md', 'utf8');
  const section = text.slice(text.indexOf(`### ${heading}\n`));
  const json = /```json\n(.*?)\n```/s.exec(section)?.[1] ?? '{}';
  const documented = toObject(JSON.parse(json));
  if (process.env['SHOW_ANSWERS'] !== undefined) {
    console.log(`### ${heading}\n\n\`\`\`json\n${JSON.stringify(answer, undefined, 2)}\n\`\`\`\n`);
    return;
  }
  expect(toOutcomes(answer['engine'])).toEqual(toOutcomes(documented['engine']));
  expect(toOutcomes(answer['relay'])).toEqual(toOutcomes(documented['relay']));
  expect(toOutcomes(answer['module'])).toEqual(toOutcomes(documented['module']));
  expect(answer['ok']).toBe(documented['ok']);
}

/** One more registry, beside the scene's own. */
async function startOther(scene: Scene, options: Partial<RegistryOptions>): Promise<Registry> {
  const registry = await startRegistry({ dir: join(scene.dir, 'other'), ...options });
  onTestFinished(() => registry.close());
  registry.scopeMaps.set('readers', ['repositories/hello-world/content/read']);
  registry.tokens.set(scene.plant.username, {
    status: 'enabled',
    scopeMap: 'readers',
    passwords: { password1: { value: scene.passwords.one } },
  });
  await registry.push(await helloWorld('linux/amd64'), 'hello-world', 'latest');
  return registry;
}

test('all is well, with one password of two', async () => {
  const scene = await startScene({ hasRelay: true });
  scene.setPasswords(undefined, scene.passwords.two);
  await startChecked(scene, { plant: { ...scene.plant, password2: scene.passwords.two } });
  const answer = await check(scene, { repository: 'hello-world' });
  expect(toOutcomes(answer['engine'])).toEqual([
    'reach ok',
    'login password failed Unauthorized',
    'login password2 ok',
    'manifest ok',
  ]);
  expect(JSON.stringify(answer)).toContain('--token device-token … --rotate password');
  await expectDocumented('One password of two is wrong', answer);
});

test('nobody listens at the port', async () => {
  const scene = await startScene({ hasRelay: true });
  await scene.registry.stop();
  await startChecked(scene);
  const answer = await check(scene);
  expect(JSON.stringify(answer)).toContain(`sport = :${scene.registry.address.split(':')[1]}`);
  await expectDocumented('The port is closed', answer);
});

test('the registry speaks plain HTTP where the engine wants HTTPS', async () => {
  const scene = await startScene({ hasRelay: true });
  const { address } = await startOther(scene, { host: await findStrictAddress() });
  await startChecked(scene, { plant: { ...scene.plant, address } });
  const answer = await check(scene);
  expect(JSON.stringify(answer)).toContain('/etc/docker/daemon.json');
  await expectDocumented('Plain HTTP where HTTPS is expected', answer);
});

test('the certificate is signed by a CA that nobody was told to trust', async () => {
  const scene = await startScene({ hasRelay: true });
  const { dir } = scene;
  const host = await findStrictAddress();
  const authority = await createCertificateAuthority({ dir, name: 'Plant CA' });
  const tls = await issueServerCertificate({ dir, authority, commonName: 'registry', ipAddresses: [host] });
  const { address } = await startOther(scene, { host, tls });
  await startChecked(scene, { plant: { ...scene.plant, address } });
  const answer = await check(scene);
  expect(JSON.stringify(answer)).toContain(`/etc/docker/certs.d/${address}/ca.crt`);
  expect(answer['module']).toContainEqual(
    expect.objectContaining({ step: 'tls', message: expect.stringContaining('"Plant CA"') as string }),
  );
  await expectDocumented('The CA is not trusted', answer);

  scene.desire({}, {}, { plant: { ...scene.plant, address, ca: authority.certificatePem } });
  await expect.poll(async () => toOutcomes((await check(scene))['module']), WAIT).toContain('tls ok');
});

test('the token has no right to the repository, or the tag is not there', async () => {
  const scene = await startScene({ hasRelay: true });
  await scene.push('secret/app:1', ['secret']);
  await startChecked(scene);
  const denied = await check(scene, { registry: 'plant', repository: 'secret/app', tag: '1' });
  expect(JSON.stringify(denied)).toContain('az acr scope-map update');
  expect(JSON.stringify(denied)).toContain('--add-repository secret/app');
  await expectDocumented('The scope map does not have the repository', denied);
  const missing = await check(scene, { repository: 'hello-world', tag: 'not-there' });
  await expectDocumented('No such tag', missing);
  expect(await check(scene, { repository: 'hello-world' })).toMatchObject({ ok: true });
});

test('something else than a registry answers', async () => {
  const scene = await startScene({ hasRelay: true });
  scene.registry.faults.html = true;
  await startChecked(scene);
  const answer = await check(scene);
  expect(answer).toMatchObject({ ok: false });
  await expectDocumented('Something else answers', answer);
});

test('the registry accepts connections and never answers, and the call is answered in time', async () => {
  const scene = await startScene({ hasRelay: true });
  scene.registry.faults.hang = true;
  await startChecked(scene);
  const startedMs = performance.now();
  const answer = await check(scene, { repository: 'hello-world' });
  expect(performance.now() - startedMs).toBeLessThan(25_000);
  await expectDocumented('It never answers', answer);
});

test('a hundred calls in a row are a handful of attempts to log in', async () => {
  const scene = await startScene({ hasRelay: true });
  const wrong = { ...scene.plant, password: 'wrong-one-77a1', password2: 'wrong-two-77a1' };
  scene.desire({}, { retryInitialSeconds: 600, retryMaxSeconds: 600 }, { plant: wrong });
  scene.startModule();
  await scene.edge.waitForReported(() => scene.login()['login'] === 'Failed', 30_000);
  const before = scene.registry.tokenRequests.filter(({ account }) => account !== undefined).length;
  const calls = Array.from({ length: 100 }, (_, index) =>
    check(scene, { repository: 'hello-world', tag: `t${index}` }),
  );
  await Promise.all(calls);
  const attempts =
    scene.registry.tokenRequests.filter(({ account }) => account !== undefined).length - before;
  expect(attempts).toBe(2);
});

test('a login that works again is taken up at once', async () => {
  const scene = await startScene({ hasRelay: true });
  scene.setPasswords('another-password-1b');
  scene.desire({ hello: 'hello-world' }, { retryInitialSeconds: 600, retryMaxSeconds: 600 });
  scene.startModule();
  await scene.waitForPhases({ hello: 'Failed Unauthorized' });
  scene.setPasswords(scene.passwords.one);
  expect(await check(scene)).toMatchObject({ ok: true });
  await scene.waitForReady();
});

test('what cannot be asked is said', async () => {
  const scene = await startScene({ hasRelay: true });
  await startChecked(scene, { plant: scene.plant, open: { address: '127.0.0.1:1' } });
  expect(await scene.call('CheckRegistry', { registry: 'nobody' })).toMatchObject({ status: 404 });
  expect(await scene.call('CheckRegistry', { repository: 'acme/app' })).toMatchObject({
    status: 400,
    payload: { message: expect.stringContaining('registry: ') as string },
  });
  for (const payload of [
    { tag: '1' },
    { repository: 'x.io:5/a' },
    { repository: 'Not A Name' },
    { registry: 7 },
  ]) {
    expect(await scene.call('CheckRegistry', payload)).toMatchObject({ status: 400 });
  }
  const { payload } = await scene.call('CheckRegistry');
  expect(payload).toMatchObject({ registries: { plant: { ok: true }, open: { ok: false } } });
});
