import { execFile } from 'node:child_process';
import { expect, it } from 'vitest';
import { startScene, toObject } from './scene.ts';
import type { Scene } from './scene.ts';

interface Result {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
}

/** Runs the shipped command line as `docker exec` would, beside the scene's module. */
const run = ({ environment }: Scene, ...args: string[]): Promise<Result> =>
  new Promise((resolve) => {
    const env = { XDG_RUNTIME_DIR: environment['XDG_RUNTIME_DIR'] };
    execFile(process.execPath, ['dist/cli.js', ...args], { env }, (error, output, errors) => {
      resolve({ exitCode: error === null ? 0 : Number(error.code), output, errors });
    });
  });

it('a technician sees where each image stands, what is wrong, and has it pulled', async () => {
  const scene = await startScene();
  const { push, desire, startModule, waitForPhases, waitForReady, registry } = scene;
  expect(await run(scene, 'status')).toMatchObject({
    exitCode: 3,
    output: '',
    errors: expect.stringContaining('does not run') as string,
  });
  await push('acme/app:1', ['app'], 400_000);
  registry.faults.bytesPerSecond = 100_000;
  desire({ app: 'acme/app:1', gone: 'acme/gone:1' }, { retryInitialSeconds: 600, retryMaxSeconds: 600 });
  startModule();
  await waitForPhases({ app: 'Pulling', gone: 'Failed NotFound' });
  const pulling = await run(scene, 'status');
  expect(pulling.exitCode).toBe(1);
  expect(pulling.output).toMatch(/^app +Pulling +[█░]{20} +\d+ %/m);
  expect(pulling.output).toMatch(/^gone: NotFound \(next in /m);
  expect(pulling.output).toMatch(/^Not ready: 0 of 2 images pulled; 1 being pulled.*; 1 failed$/m);
  registry.faults.bytesPerSecond = undefined;

  await push('acme/gone:1', ['gone']);
  const pulled = await run(scene, 'pull', 'gone');
  expect(pulled).toMatchObject({ exitCode: 0, errors: '' });
  expect(pulled.output).toMatch(/^gone: Pulled$/m);
  await waitForReady();
  const ready = await run(scene, 'status', '--json');
  expect(ready.exitCode).toBe(0);
  expect(toObject(JSON.parse(ready.output))).toMatchObject({ summary: { ready: true, pulled: 2 } });
  expect((await run(scene, 'status')).output).toMatch(/^Ready: 2 of 2 images/m);
  expect((await run(scene, 'version')).output).toMatch(
    /^connected-registry-puller \d+\.\d+\.\d+\nrunning since /,
  );
});

it('a technician has a registry checked, and learns what does not work', async () => {
  const scene = await startScene();
  const { desire, plant, startModule, waitForReady, setPasswords, passwords } = scene;
  desire({ hello: 'hello-world' });
  startModule();
  await waitForReady();
  const well = await run(scene, 'check', 'plant', '--image', 'hello-world:latest');
  expect(well).toMatchObject({ exitCode: 0, errors: '' });
  expect(well.output).toContain(`plant at ${plant.address}: images can be pulled`);
  expect(well.output).toMatch(/✓ manifest +sha256:/);
  const denied = await run(scene, 'check', plant.address, '--image', 'secret/app');
  expect(denied.exitCode).toBe(1);
  expect(denied.output).toMatch(/✗ manifest +AccessDenied: .*\n +→ .*--add-repository secret\/app/);
  setPasswords(passwords.two);
  expect(await run(scene, 'check', 'nobody')).toMatchObject({ exitCode: 2, output: '' });
});

it('what goes wrong has its exit code, and one is told what to write', async () => {
  const scene = await startScene();
  const { desire, startModule, waitForPhases } = scene;
  desire({ gone: 'acme/gone:1' });
  startModule();
  await waitForPhases({ gone: 'Failed NotFound' });
  const failed = await run(scene, 'pull');
  expect(failed.exitCode).toBe(1);
  expect(failed.output).toMatch(/^gone: NotFound/m);
  expect(await run(scene, 'pull', '--no-wait')).toMatchObject({
    exitCode: 0,
    output: 'Asked for: 1 image.\n',
  });
  expect(await run(scene, 'pull', 'unheard')).toMatchObject({
    exitCode: 2,
    errors: expect.stringContaining('No image with the name "unheard"') as string,
  });
  expect(await run(scene, 'status', '--colour')).toMatchObject({
    exitCode: 2,
    errors: expect.stringContaining('docker exec <module> status') as string,
  });
  expect(await run(scene)).toMatchObject({
    exitCode: 0,
    output: expect.stringContaining('status') as string,
  });
});
