import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createEngineClient } from '#lab/engine/engine-client';
import type { CommandRoom } from './commands.ts';
import { openCommandRoom } from './commands.ts';

const LAB = 'lab/cli/main.ts';
const UP = 'It is up, until Ctrl-C or npm run lab -- stop.';

/** Runs commands of the lab, and keeps everything that they write. */
function createLab(room: CommandRoom) {
  const written: string[] = [];
  const run = async (args: readonly string[], input?: string) => {
    const result = await room.run([LAB, ...args], input);
    written.push(result.output);
    return result;
  };
  return {
    written: () => written.join('\n'),
    run,
    /** Runs one that must succeed, and gives the JSON it writes. */
    async json(args: readonly string[], input?: string): Promise<unknown> {
      const { exitCode, output } = await run(args, input);
      if (exitCode !== 0) throw new Error(`${args.join(' ')} ended with ${exitCode}: ${output}`);
      return JSON.parse(output);
    },
    async waitForReported(expected: object): Promise<void> {
      await expect
        .poll(() => this.json(['reported']), { timeout: 30_000, interval: 300 })
        .toMatchObject(expected);
    },
  };
}

it('is brought up, driven from other processes, and gone after stop', async () => {
  const room = await openCommandRoom();
  const lab = createLab(room);
  const up = room.start([LAB, 'up']);
  await up.waitFor('The lab is up, until Ctrl-C.');
  const [dir = ''] = (await readdir(room.dir)).filter((name) => name.startsWith('puller-lab-'));
  const readPassword = (which: 1 | 2) => readFile(join(room.dir, dir, `password${which}`), 'utf8');
  const [first, second] = [await readPassword(1), await readPassword(2)];

  await lab.json(['twin', 'patch', '{"images":{"hello":"hello-world","camera":"acme/camera:1.4"}}']);
  await lab.waitForReported({
    summary: { ready: true, pulled: 2 },
    registries: { plant: { credential: 'password' } },
  });

  expect((await lab.run(['password', 'rotate'])).exitCode).toBe(0);
  expect(await readPassword(1)).not.toBe(first);
  expect(
    (await lab.run(['images', 'push', 'acme/mine:1', '--layer', 'os:12', '--layer', 'mine:1'])).output,
  ).toMatch(/^acme\/mine:1@sha256:[0-9a-f]{64}\n$/);
  await lab.json(['twin', 'patch', '-'], '{"images":{"mine":"acme/mine:1","camera":null}}');
  await lab.waitForReported({
    registries: { plant: { credential: 'password2' } },
    images: { mine: { phase: 'Pulled' }, hello: { phase: 'Pulled' } },
  });

  // What is shown can be written back.
  const shown = await lab.json(['twin', 'get']);
  expect(shown).toMatchObject({
    registryCredentials: { plant: { password: '<old password1>', password2: '<password2>' } },
    images: { hello: 'hello-world', mine: 'acme/mine:1' },
  });
  await lab.json(['twin', 'set', '-'], JSON.stringify(shown));
  await lab.json(['twin', 'patch', '{"registryCredentials":{"plant":{"password":"<password1>"}}}']);
  await lab.waitForReported({ registries: { plant: { login: 'Succeeded', credential: 'password' } } });

  expect((await lab.run(['fault', 'registry', 'away', 'on'])).output).toMatch(/registry +away +true/);
  await lab.json(['twin', 'patch', '{"images":{"late":"acme/gateway:2.0"}}']);
  await lab.waitForReported({ images: { late: { phase: 'Failed', reason: 'RegistryUnreachable' } } });
  expect((await lab.run(['fault', 'registry', 'away', 'off'])).exitCode).toBe(0);
  expect(await lab.json(['method', 'PullImages', '{"images":["late"]}'])).toMatchObject({
    status: 202,
    payload: { images: ['late'] },
  });
  await lab.waitForReported({ summary: { ready: true, pulled: 3 } });
  expect(await lab.run(['method', 'PullImages', '{"images":["nobody"]}'])).toMatchObject({ exitCode: 1 });
  expect((await lab.run(['logs'])).output).toContain('image pulled');
  expect(await lab.run(['up'])).toMatchObject({
    exitCode: 1,
    output: 'it is up already: npm run lab -- stop\n',
  });

  expect((await lab.run(['stop'])).exitCode).toBe(0);
  expect(await room.listLeftovers()).toEqual([]);
  expect(await up.ended).toMatchObject({ exitCode: 0 });
  for (const password of [first, second]) {
    expect(`${lab.written()}${up.output}`.includes(password), 'a password was written').toBe(false);
  }
});

it('starts each part alone, and the whole with an engine that is there and is left as it was', async () => {
  const room = await openCommandRoom();
  const lab = createLab(room);
  const edge = room.start([LAB, 'edge']);
  const registry = room.start([LAB, 'registry']);
  const engine = room.start([LAB, 'engine']);
  for (const part of [edge, registry, engine]) await part.waitFor(UP);
  expect(edge.output).toMatch(/^export IOTEDGE_GATEWAYHOSTNAME=localhost:\d+$/m);
  expect(registry.output).toMatch(/registry {2}127\.0\.0\.1:\d+/);
  const [, host = ''] = /^export DOCKER_HOST=(unix:.*)$/m.exec(engine.output) ?? [];

  expect((await lab.run(['images', 'push', 'hello-world'])).exitCode).toBe(0);
  await lab.json(['twin', 'set', '{"images":{}}']);
  expect(await lab.json(['twin', 'get'])).toEqual({ images: {}, $version: 2 });
  expect((await lab.run(['fault'])).output).toMatch(/edge +upstreamAway +off\n[^]*registry +hang +off\n/);
  expect(await lab.run(['logs'])).toMatchObject({ exitCode: 3 });

  const up = room.start([LAB, 'up', '--engine', host]);
  await up.waitFor('The lab is up, until Ctrl-C.');
  const wanted = { images: { hello: { image: 'hello-world', tagAs: ['contoso.example/hello:1'] } } };
  await lab.json(['twin', 'patch', JSON.stringify(wanted)]);
  await lab.waitForReported({ summary: { ready: true, pulled: 1 } });
  up.signal('SIGINT');
  expect(await up.ended).toMatchObject({ exitCode: 0 });
  expect(await room.run([LAB, 'images'])).toMatchObject({ exitCode: 0 });

  expect(await createEngineClient(host).images()).toEqual([]);

  expect((await lab.run(['stop'])).exitCode).toBe(0);
  for (const part of [edge, registry, engine]) expect(await part.ended).toMatchObject({ exitCode: 0 });
  expect(await room.listLeftovers()).toEqual([]);
});

it('tells apart what it does not understand and what is not up', async () => {
  const lab = createLab(await openCommandRoom());
  expect(await lab.run(['--help'])).toMatchObject({ exitCode: 0 });
  expect(await lab.run([])).toMatchObject({ exitCode: 2 });
  expect(await lab.run(['twin', 'get', 'it'])).toMatchObject({ exitCode: 2 });
  expect(await lab.run(['twin', 'set', '[]'])).toMatchObject({ exitCode: 2 });
  expect(await lab.run(['nonsense'])).toMatchObject({ exitCode: 2 });
  for (const command of [['reported'], ['fault'], ['stop'], ['password', 'rotate']]) {
    expect(await lab.run(command)).toMatchObject({ exitCode: 3 });
  }
});
