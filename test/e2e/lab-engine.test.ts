import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import type { Engine, EngineOptions } from '#lab/engine/engine';
import { connectEngine, startEngine } from '#lab/engine/engine';
import { helloWorld } from '#lab/images/hello-world';
import { ensurePrerequisites } from '#lab/prerequisites';
import type { Registry } from '#lab/registry/registry';
import { startRegistry } from '#lab/registry/registry';

let root = '';
let dir = '';
let registry: Registry;

beforeAll(async () => {
  await ensurePrerequisites();
  root = await mkdtemp(join(tmpdir(), 'lab-engine-'));
  registry = await startRegistry({ dir: join(root, 'registry'), auth: 'none' });
  await registry.push(await helloWorld(), 'hello-world', '1');
});
afterAll(async () => {
  await registry.close();
  await rm(root, { recursive: true });
});
beforeEach(async () => {
  dir = await mkdtemp(join(root, 'engine-'));
});

async function start(options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await startEngine({ dir, ...options });
  onTestFinished(() => engine.stop());
  return engine;
}

const isRunning = (pid: number) => existsSync(`/proc/${pid}`);
const readMounts = () => readFile('/proc/self/mountinfo', 'utf8');

it('keeps its images through a restart', async () => {
  const engine = await start();
  await engine.pull(`${registry.address}/hello-world:1`);
  const pid = engine.pid;

  await engine.restart();

  expect(engine.pid).not.toBe(pid);
  expect(isRunning(pid)).toBe(false);
  expect((await engine.images()).flatMap((image) => image.references)).toEqual([
    `${registry.address}/hello-world:1`,
  ]);
});

it('answers nothing while it is paused, and goes on afterwards', async () => {
  const engine = await start();

  engine.pause();
  const version = engine.version();
  expect(await Promise.race([version, delay(500, 'silent')])).toBe('silent');
  engine.resume();

  expect(await version).toMatch(/^\d+\.\d+/);
});

it('leaves no process and no mount behind, even when it was paused', async () => {
  const engine = await start();
  const { pid } = engine;
  engine.pause();

  await engine.stop();

  expect(isRunning(pid)).toBe(false);
  expect(await readMounts()).not.toContain(dir);
  await expect(engine.version()).rejects.toThrow('ENOENT');
});

it('starts again after it was killed', async () => {
  const engine = await start();
  await engine.pull(`${registry.address}/hello-world:1`);
  process.kill(engine.pid, 'SIGKILL');

  await engine.restart();

  expect(await engine.images()).toHaveLength(1);
});

it('shares nothing with another engine at the same time', async () => {
  const [one, other] = await Promise.all([start(), start({ dir: await mkdtemp(join(root, 'engine-')) })]);

  await one.pull(`${registry.address}/hello-world:1`);

  expect(await one.images()).toHaveLength(1);
  expect(await other.images()).toHaveLength(0);
});

it('finds a place for its socket when its folder lies too deep for one', async () => {
  const deep = join(dir, 'a-folder-with-a-long-name'.repeat(5));
  await mkdir(deep);
  const engine = await start({ dir: deep });

  expect(Buffer.byteLength(engine.socketPath)).toBeLessThan(108);
  await engine.stop();
  expect(existsSync(engine.socketPath)).toBe(false);
});

it('follows its own configuration', async () => {
  const engine = await start({ config: { 'insecure-registries': ['gateway.plant:8000'], debug: true } });

  const log = await readFile(engine.logPath, 'utf8');

  expect(log).toContain('level=debug');
});

it('can be reached as a machine reaches its own', async () => {
  const engine = await start();
  await engine.pull(`${registry.address}/hello-world:1`);

  const client = await connectEngine(engine.dockerHost);
  await client.removeAllImages();

  expect(await engine.images()).toEqual([]);
  expect(await client.inspect(`${registry.address}/hello-world:1`)).toBeUndefined();
});

it('is not found where there is none', async () => {
  await expect(connectEngine(`unix://${join(dir, 'nothing.sock')}`)).rejects.toThrow('ENOENT');
});

it('says why when it cannot start, and leaves nothing mounted', async () => {
  const attempt = startEngine({ dir, config: { 'storage-driver': 'floppy' } });

  await expect(attempt).rejects.toThrow('error initializing graphdriver: driver not supported');
  expect(await readMounts()).not.toContain(dir);
});
