import { expect, it } from 'vitest';
import { callEngineJson } from '#lab/engine/engine-api';
import { listReferences, startScene, WAIT } from './scene.ts';

it('images that are no longer listed are removed on request, but never one that a container uses', async () => {
  const scene = await startScene();
  const { push, desire, startModule, waitForReady, call, engine, registry } = scene;
  await push('acme/old:1', ['shared', 'old']);
  await push('acme/used:1', ['used']);
  await push('acme/kept:1', ['shared', 'kept']);
  const { digest } = await push('acme/pinned:1', ['pinned']);
  const at = (reference: string): string => `${registry.address}/${reference}`;
  const cloud = 'contoso.azurecr.io/acme/old:1';
  desire({
    old: { image: 'acme/old:1', tagAs: [cloud] },
    used: 'acme/used:1',
    kept: 'acme/kept:1',
    pinned: `acme/pinned@${digest}`,
  });
  startModule();
  await waitForReady();
  expect(await call('RemoveImages', { images: ['old', 'kept'] })).toMatchObject({ status: 409 });
  expect(await listReferences(engine)).toContain(cloud);

  desire({ kept: 'acme/kept:1' });
  await waitForReady();
  await callEngineJson(engine.dockerHost, {
    method: 'POST',
    path: '/containers/create?name=user',
    body: { Image: at('acme/used:1'), Cmd: ['/none'] },
  });
  const answer = await call('RemoveImages', { images: ['old', 'pinned', 'acme/used:1', 'acme/foreign:1'] });
  expect(answer).toMatchObject({
    status: 200,
    payload: {
      removed: expect.arrayContaining([at('acme/old:1'), cloud, at(`acme/pinned@${digest}`)]) as string[],
      kept: {
        [at('acme/used:1')]: 'A container uses it.',
        [at('acme/foreign:1')]: 'The engine does not have it.',
      },
    },
  });
  expect(await listReferences(engine)).toEqual([at('acme/kept:1'), at('acme/used:1')]);
  await callEngineJson(engine.dockerHost, { method: 'DELETE', path: '/containers/user' });
  expect(await call('RemoveImages', { images: ['used'] })).toMatchObject({ payload: { kept: {} } });
  await expect.poll(() => listReferences(engine), WAIT).toEqual([at('acme/kept:1')]);
  await waitForReady();
});
