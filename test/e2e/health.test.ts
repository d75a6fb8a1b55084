import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { findFreePort } from '#lab/free-port';
import { ask } from './http.ts';
import { startScene, WAIT } from './scene.ts';

it('/healthz says that the module works whatever is away, and /readyz whether every image is there', async () => {
  const port = await findFreePort();
  const { desire, startModule, waitForReady, waitForPhases, edge, registry, ownEngine } = await startScene({
    environment: { HTTP_PORT: String(port) },
  });
  const toStatuses = async () => [
    (await ask(port, '/healthz'))?.status,
    (await ask(port, '/readyz'))?.status,
  ];
  await edge.stopHub();
  const module = startModule();
  await expect.poll(toStatuses, WAIT).toEqual([200, 503]);
  await edge.startHub();
  desire({ hello: 'hello-world' });
  await waitForReady();
  await expect.poll(toStatuses, WAIT).toEqual([200, 200]);
  desire({ hello: 'hello-world', none: 'acme/none:1' });
  await waitForPhases({ hello: 'Pulled', none: 'Failed NotFound' });
  await registry.stop();
  expect(await toStatuses()).toEqual([200, 503]);
  expect((await ask(port, '/readyz'))?.body).toBe('Not ready: 1 of 2 images, 1 failed.\n');
  await ownEngine?.stop();
  await edge.stopHub();
  await expect.poll(async () => (await ask(port, '/readyz'))?.body, WAIT).toContain('0 of 2');
  expect(await toStatuses()).toEqual([200, 503]);
  expect(await module.stop()).toEqual({ code: 0, signal: null });
});

it('a module whose port is taken works without it, says so, and listens when the port is free', async () => {
  const other = createServer().listen(0);
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  const { port } = other.address() as { port: number };
  const { desire, startModule, waitForReady } = await startScene({
    environment: { HTTP_PORT: String(port) },
  });
  desire({ hello: 'hello-world' });
  const module = startModule();
  await waitForReady();
  expect(module.output).toMatch(
    new RegExp(`\\[WRN\\] - HTTP_PORT cannot be listened on.*"port":${port}.*EADDRINUSE`),
  );
  other.close();
  await expect.poll(async () => (await ask(port, '/readyz'))?.status, WAIT).toBe(200);
});
