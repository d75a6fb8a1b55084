import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '#lab/engine/engine';
import { startEngine } from '#lab/engine/engine';
import { multiPlatformHelloWorld } from '#lab/images/hello-world';
import { syntheticImage } from '#lab/images/image';
import { ensurePrerequisites } from '#lab/prerequisites';
import type { Registry } from '#lab/registry/registry';
import { startRegistry } from '#lab/registry/registry';

let dir = '';
let engine: Engine;
let registry: Registry;
const credentials = { username: 'edge-device', password: 'first-secret' };
const app = await syntheticImage({ layers: [1, 2, 3].map((seed) => ({ sizeBytes: 400_000, seed })) });

beforeAll(async () => {
  await ensurePrerequisites();
  dir = await mkdtemp(join(tmpdir(), 'lab-registry-'));
  [engine, registry] = await Promise.all([
    startEngine({ dir: join(dir, 'engine') }),
    startRegistry({ dir: join(dir, 'registry') }),
  ]);
  await registry.push(await multiPlatformHelloWorld(), 'hello-world', '1');
  await registry.push(app, 'samples/app', '1');
  await registry.push(app, 'private/app', '1');
});
afterAll(async () => {
  await Promise.all([engine.stop(), registry.close()]);
  await rm(dir, { recursive: true });
});

beforeEach(() => {
  registry.denialStyle = 'insufficient-scopes';
  registry.scopeMaps.set('line-1', [
    'repositories/hello-world/content/read',
    'repositories/samples/*/content/read',
  ]);
  registry.tokens.set(credentials.username, {
    status: 'enabled',
    scopeMap: 'line-1',
    passwords: { password1: { value: credentials.password }, password2: { value: 'second-secret' } },
  });
});
afterEach(() => engine.removeAllImages());

/** Bytes that a pull of `app` into an empty engine takes: configuration and layers, each once. */
const appBytes = [app.config, ...app.layers].reduce((total, blob) => total + blob.sizeBytes, 0);

describe('a pull by an engine', () => {
  it("takes the engine's own platform from a manifest list", async () => {
    const reference = `${registry.address}/hello-world:1`;

    const outcome = await engine.pull(reference, { credentials });

    expect(outcome.statuses.at(-1)).toBe(`Status: Downloaded newer image for ${reference}`);
    expect(await engine.inspect(reference)).toMatchObject({
      references: [reference],
      digests: [`${registry.address}/hello-world@${(await multiPlatformHelloWorld()).manifest.digest}`],
      os: 'linux',
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    });
  });

  it('takes each blob once, and every byte is counted', async () => {
    const blobs = /^\/v2\/samples\/app\/blobs\//;
    const beforeBytes = registry.bytesServed(blobs);

    const outcome = await engine.pull(`${registry.address}/samples/app:1`, { credentials });

    expect(outcome.error).toBeUndefined();
    expect(registry.bytesServed(blobs) - beforeBytes).toBe(appBytes);
    expect((await engine.inspect(`${registry.address}/samples/app:1`))?.id).toBe(app.config.digest);
  });

  it('takes no layer that it has already', async () => {
    await engine.pull(`${registry.address}/samples/app:1`, { credentials });
    const beforeBytes = registry.bytesServed(/\/blobs\//);

    const outcome = await engine.pull(`${registry.address}/samples/app:1`, { credentials });

    expect(outcome.statuses.at(-1)).toContain('Image is up to date');
    expect(registry.bytesServed(/\/blobs\//)).toBe(beforeBytes);
  });

  it('works with the second password while the first is renewed', async () => {
    const outcome = await engine.pull(`${registry.address}/hello-world:1`, {
      credentials: { ...credentials, password: 'second-secret' },
    });

    expect(outcome.error).toBeUndefined();
  });

  it('fails with a wrong password, and the registry notes whose it was', async () => {
    const outcome = await engine.pull(`${registry.address}/hello-world:1`, {
      credentials: { ...credentials, password: 'third-secret' },
    });

    expect(outcome.error).toMatch(/unauthorized: Incorrect Password$/);
    expect(registry.tokenRequests.at(-1)).toMatchObject({ account: credentials.username, ok: false });
  });

  it('fails without credentials', async () => {
    const outcome = await engine.pull(`${registry.address}/hello-world:1`);

    expect(outcome.error).toMatch(/unauthorized: authentication required/);
  });

  it.each([
    { change: 'its token is disabled', status: 'disabled', expiresAtMs: Infinity },
    { change: 'the password has expired', status: 'enabled', expiresAtMs: 1 },
  ] as const)('fails once $change', async ({ status, expiresAtMs }) => {
    registry.tokens.set(credentials.username, {
      status,
      scopeMap: 'line-1',
      passwords: { password1: { value: credentials.password, expiresAtMs } },
    });

    const outcome = await engine.pull(`${registry.address}/hello-world:1`, { credentials });

    expect(outcome.error).toMatch(/unauthorized: authentication required/);
  });

  it.each([
    ['insufficient-scopes', /denied: Insufficient scopes to perform the operation$/],
    ['challenge', /denied: requested access to the resource is denied$/],
  ] as const)('is denied outside the scope map, in the words of the style %s', async (style, words) => {
    registry.denialStyle = style;

    const outcome = await engine.pull(`${registry.address}/private/app:1`, { credentials });

    expect(outcome.error).toMatch(/^pull access denied for /);
    expect(outcome.error).toMatch(words);
  });

  it('works as soon as the scope map has the repository', async () => {
    registry.scopeMaps.set('line-1', ['repositories/*/content/read']);

    const outcome = await engine.pull(`${registry.address}/private/app:1`, { credentials });

    expect(outcome.error).toBeUndefined();
  });

  it.each(['samples/app:2', 'samples/unknown:1'])('does not find %s', async (image) => {
    const outcome = await engine.pull(`${registry.address}/${image}`, { credentials });

    expect(outcome.error).toMatch(/^manifest for \S+ not found: manifest unknown: manifest unknown$/);
  });
});

describe('the content', () => {
  const resolve = (tag: string) => registry.resolve('samples/app', tag);

  it('has a tag where it was moved to', async () => {
    const newer = await syntheticImage({ layers: [{ sizeBytes: 1000, seed: 'newer' }] });
    await registry.push(app, 'samples/app', 'stable');
    const { digest } = await registry.push(newer, 'samples/app', 'candidate');

    await registry.tag('samples/app', 'candidate', 'stable');

    expect(await resolve('stable')).toBe(digest);
    expect(await resolve('candidate')).toBe(digest);
  });

  it('forgets a tag and keeps the manifest', async () => {
    const { digest } = await registry.push(app, 'samples/app', 'passing');

    await registry.deleteTag('samples/app', 'passing');

    expect(await resolve('passing')).toBeUndefined();
    expect(await resolve(digest)).toBe(digest);
  });

  it('forgets a manifest with all its tags', async () => {
    const image = await syntheticImage({ layers: [{ sizeBytes: 1000, seed: 'gone' }] });
    const { digest } = await registry.push(image, 'samples/gone', '1');
    await registry.tag('samples/gone', '1', '2');

    await registry.deleteManifest('samples/gone', digest);

    expect(await registry.resolve('samples/gone', '1')).toBeUndefined();
    expect(await registry.resolve('samples/gone', '2')).toBeUndefined();
  });

  it('can lose a blob, which a pull only notices midway and a push heals', async () => {
    const image = await syntheticImage({ layers: [{ sizeBytes: 1000, seed: 'lost' }] });
    await registry.push(image, 'samples/partial', '1');

    await registry.deleteBlob(image.layers[0]?.digest ?? '');

    const partial = await engine.pull(`${registry.address}/samples/partial:1`, { credentials });
    await registry.push(image, 'samples/partial', '1');
    const healed = await engine.pull(`${registry.address}/samples/partial:1`, { credentials });

    expect(partial).toMatchObject({ status: 200, error: expect.stringContaining('unknown blob') as string });
    expect(healed.error).toBeUndefined();
  });
});

it('keeps no password and no token in its logs', async () => {
  await engine.pull(`${registry.address}/hello-world:1`, { credentials });
  const form = { grant_type: 'password', scope: 'repository:hello-world:pull', ...credentials };
  const response = await fetch(`${registry.url}/acr/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams(form),
  });
  const { access_token: token } = (await response.json()) as { access_token: string };

  const logs = JSON.stringify([registry.requests, registry.tokenRequests]);

  expect(registry.tokenRequests.at(-1)).toMatchObject({ account: credentials.username, ok: true });
  expect(logs).not.toContain(credentials.password);
  expect(logs).not.toContain(token.slice(0, 40));
});
