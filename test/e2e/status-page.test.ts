import { createServer } from 'node:http';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { findFreePort } from '#lab/free-port';
import { findBarriers, openPage, startBrowser, takePicture, waitForText } from './browser.ts';
import type { WatchedPage } from './browser.ts';
import { ask } from './http.ts';
import { startScene, WAIT } from './scene.ts';
import type { Scene } from './scene.ts';
import { findSecrets } from './secrets.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.close());

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };
const REFUSED = 'a-password-that-is-refused';

interface Stage extends Scene {
  readonly url: string;
  readonly port: number;
}

async function startStage(): Promise<Stage> {
  const port = await findFreePort();
  const scene = await startScene({ environment: { HTTP_PORT: String(port) } });
  return Object.assign(scene, { port, url: `http://127.0.0.1:${port}/` });
}

/** Nothing happened on the page that should not have, and it was served no password. */
async function expectClean({ passwords }: Stage, { troubles, served }: WatchedPage): Promise<void> {
  expect(troubles).toEqual([]);
  expect(findSecrets({ served: await served() }, [...Object.values(passwords), REFUSED])).toEqual([]);
}

/** What the stream tells a page within some time. */
async function listen(url: string, forMs: number): Promise<string> {
  const answer = await fetch(`${url}events`, { signal: AbortSignal.timeout(forMs) });
  let told = '';
  try {
    for await (const chunk of answer.body ?? []) told += new TextDecoder().decode(chunk);
  } catch {
    // The time is up.
  }
  return told;
}

/** Follows the stream as one more page would. */
async function openStream(url: string): Promise<{ readonly status: number; readonly leave: () => void }> {
  const leaving = new AbortController();
  const leave = (): void => leaving.abort();
  onTestFinished(leave);
  const { status } = await fetch(`${url}events`, { signal: leaving.signal });
  return { status, leave };
}

const rowOf = (watched: WatchedPage, name: string): Promise<string> =>
  watched.page.locator(`#image-${name}`).innerText();

const isTooWide = ({ page }: WatchedPage): Promise<boolean> =>
  page.locator('html').evaluate(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth);

it('follows a rollout: progress, failures with what to do, and the end, without being loaded again', async () => {
  const stage = await startStage();
  const { push, desire, startModule, waitForPhases, waitForReady, registry, plant, url } = stage;
  await push('acme/camera:1.4', ['base', 'camera'], 5_000_000);
  await push('acme/bridge:3', ['base', 'bridge'], 200_000);
  startModule();
  await expect.poll(async () => (await ask(stage.port, '/'))?.status, WAIT).toBe(200);
  const watched = await openPage(browser, url);
  const { page } = watched;
  await waitForText(page, '#live', /^Live$/);
  desire({ bridge: 'acme/bridge:3' });
  await waitForText(page, 'h1', /The image is on this device/);
  expect(await page.title()).toMatch(/^✓ 1\/1 · /);

  registry.faults.totalBytesPerSecond = 400_000;
  const other = {
    address: plant.address.replace('127.0.0.1', 'localhost'),
    username: plant.username,
    password: REFUSED,
  };
  const away = { address: `127.0.0.1:${await findFreePort()}` };
  desire(
    {
      camera: { image: 'acme/camera:1.4', registry: 'plant' },
      bridge: { image: 'acme/bridge:3', registry: 'plant' },
      vision: { image: 'acme/vision:7', registry: 'plant' },
      reports: { image: 'acme/reports', registry: 'office' },
      gateway: { image: 'acme/gateway:0.9', registry: 'dmz' },
      typo: { image: 'acme/Camera', registry: 'plant' },
    },
    { retryInitialSeconds: 60, retryMaxSeconds: 60 },
    { plant, office: other, dmz: away },
  );
  await waitForPhases({
    camera: 'Pulling',
    bridge: 'Pulled',
    vision: 'Failed NotFound',
    reports: 'Failed Unauthorized',
    gateway: 'Failed RegistryUnreachable',
    typo: 'Failed InvalidImage',
  });
  await waitForText(page, 'h1', /^1 of 6 images on this device$/);
  await waitForText(page, '#hero', /4 failed, 1 is being pulled\./);
  await waitForText(page, '#image-camera', /\d+ % · [\d.]+ [kM]B of [\d.]+ MB · [\d.]+ kB\/s · \d+ s left/);
  const toPercent = () =>
    page.locator('#image-camera progress').evaluate((bar) => Number(bar.getAttribute('value')));
  const percent = await toPercent();
  await expect.poll(toPercent, WAIT).toBeGreaterThan(percent);

  // So slow that it is still under way when all that follows was looked at.
  registry.faults.totalBytesPerSecond = 30_000;
  expect(await rowOf(watched, 'vision')).toMatch(/Failed NotFound[^]*Next try in \d+ s/);
  const problems = await page.locator('#problems').innerText();
  expect(problems).toMatch(/NotFound: 1 image \(vision\)\s+Check repository and tag/);
  expect(problems).toMatch(/Unauthorized: registry office, 1 image \(reports\)\s+Check username, password/);
  expect(problems).toMatch(
    /RegistryUnreachable: registry dmz, 1 image \(gateway\)\s+Check that the registry runs/,
  );
  expect(problems).toContain('images.typo.image');
  expect(await page.locator('#registries').innerText()).toMatch(
    /office[^]*Failed Unauthorized[^]*plant[^]*Succeeded/,
  );
  expect(await page.locator('#facts').innerText()).toMatch(
    /edgeHub\s+connected for \d+ s[^]*Desired version\s+\d+, with faults/,
  );
  expect(await page.locator('#images-rows tr').evaluateAll((rows) => rows.map(({ id }) => id))).toEqual(
    ['gateway', 'reports', 'typo', 'vision', 'camera', 'bridge'].map((name) => `image-${name}`),
  );
  expect(await findBarriers(page)).toEqual([]);
  await takePicture(page, 'failures');
  for (const [name, options] of [
    ['failures-dark', { colorScheme: 'dark' }],
    ['failures-phone', PHONE],
    ['failures-phone-dark', { ...PHONE, colorScheme: 'dark' }],
  ] as const) {
    const another = await openPage(browser, url, options);
    await waitForText(another.page, '#live', /^Live$/);
    expect([name, await findBarriers(another.page)]).toEqual([name, []]);
    expect([name, await isTooWide(another)]).toEqual([name, false]);
    await takePicture(another.page, name, !name.includes('phone'));
    await expectClean(stage, another);
  }
  expect(
    findSecrets({ stream: await listen(url, 2500) }, [...Object.values(stage.passwords), REFUSED]),
  ).toEqual([]);

  const spoken = await page.locator('#spoken').innerText();
  desire({ camera: 'acme/camera:1.4', bridge: 'acme/bridge:3' });
  await waitForText(page, 'h1', /^1 of 2 images on this device$/);
  await takePicture(page, 'progress');
  registry.faults.totalBytesPerSecond = undefined;
  await waitForReady();
  await waitForText(page, 'h1', /^All 2 images are on this device$/);
  expect(await page.locator('#spoken').innerText()).not.toBe(spoken);
  expect(await page.locator('#problems').innerText()).toBe('');
  expect(await page.locator('#images-rows tr').count()).toBe(2);
  expect(await findBarriers(page)).toEqual([]);
  await takePicture(page, 'well');
  await expectClean(stage, watched);
});

it('without JavaScript it says the same as a table, with links and a form, and loads itself again', async () => {
  const stage = await startStage();
  const { push, desire, startModule, waitForPhases, url } = stage;
  await push('acme/bridge:3', ['bridge']);
  desire(
    { bridge: 'acme/bridge:3', vision: 'acme/vision:7' },
    { retryInitialSeconds: 60, retryMaxSeconds: 60 },
  );
  startModule();
  await waitForPhases({ bridge: 'Pulled', vision: 'Failed NotFound' });
  const watched = await openPage(browser, url, { javaScriptEnabled: false });
  const { page } = watched;
  expect(await page.locator('h1').innerText()).toBe('1 of 2 images on this device');
  expect(await page.locator('#live').innerText()).toMatch(/^As of 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
  expect(await rowOf(watched, 'vision')).toMatch(/Next try at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
  expect(await page.locator('#problems').innerText()).toContain('Check repository and tag');
  expect(await page.content()).toContain('<meta http-equiv="refresh" content="10"');
  await page.getByRole('link', { name: /^Pulled/ }).click();
  expect(await page.locator('#images-rows tr').allInnerTexts()).toHaveLength(1);
  expect(await page.getByRole('link', { name: /^Pulled/ }).getAttribute('aria-current')).toBe('page');
  await page.goto(url);
  await page.getByRole('searchbox').fill('VISION');
  await page.getByRole('button', { name: 'Find' }).click();
  expect(await page.locator('#images-rows tr').evaluateAll((rows) => rows.map(({ id }) => id))).toEqual([
    'image-vision',
  ]);
  await expectClean(stage, watched);
});

it('is as wide as the narrowest phone at most, with the longest names and times in full', async () => {
  const stage = await startStage();
  const { push, desire, startModule, waitForPhases, plant, url } = stage;
  const [here, missing, wrong, registry] = ['camera', 'vision', 'typo', 'plant'].map((name) =>
    name.padEnd(64, '_line7'),
  ) as [string, string, string, string];
  await push('acme/bridge:3', ['bridge']);
  desire(
    {
      [here]: 'acme/bridge:3',
      [missing]: `acme/${missing}:1`,
      [wrong]: `acme/${'Vision'.repeat(20)}`,
    },
    { retryInitialSeconds: 60, retryMaxSeconds: 60 },
    { [registry]: plant },
  );
  startModule();
  await waitForPhases({ [here]: 'Pulled', [missing]: 'Failed NotFound', [wrong]: 'Failed InvalidImage' });
  for (const javaScriptEnabled of [true, false]) {
    for (const width of [320, 390, 768]) {
      const watched = await openPage(browser, url, { viewport: { width, height: 800 }, javaScriptEnabled });
      if (javaScriptEnabled) await waitForText(watched.page, '#live', /^Live$/);
      expect([javaScriptEnabled, width, await isTooWide(watched)]).toEqual([javaScriptEnabled, width, false]);
      await takePicture(watched.page, `long-${width}${javaScriptEnabled ? '' : '-without-script'}`);
      await expectClean(stage, watched);
    }
  }
});

it('can be used by keyboard, keeps the focus when something changes, and says when the module is gone', async () => {
  const stage = await startStage();
  const { push, desire, startModule, waitForPhases, ownEngine, edge, url, port } = stage;
  await push('acme/bridge:3', ['bridge']);
  desire({ bridge: 'acme/bridge:3' });
  const module = startModule();
  await waitForPhases({ bridge: 'Pulled' });
  const { page } = await openPage(browser, url);
  await waitForText(page, '#live', /^Live$/);
  const toFocus = () => page.evaluate('document.activeElement.textContent.trim().replace(/\\s+/g, " ")');
  await page.keyboard.press('Tab');
  expect(await toFocus()).toBe('To the images');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  expect(await toFocus()).toBe('All 1');
  desire({ bridge: 'acme/bridge:3', vision: 'acme/vision:7' });
  await waitForText(page, '#filters', /All 2/);
  expect(await toFocus()).toBe('All 2');

  await edge.stopHub();
  await waitForText(page, '#facts', /not connected for/);
  await ownEngine?.stop();
  await waitForText(page, 'h1', /The Docker engine does not answer/);
  expect(await page.locator('#problems').innerText()).toMatch(
    /EngineUnavailable for \d+ s: (Nobody listens|There is no socket|The engine at .* ended the connection)/,
  );
  await takePicture(page, 'engine-away');
  expect(await findBarriers(page)).toEqual([]);

  await module.stop();
  await waitForText(page, '#live', /No answer from the module/);
  expect(await findBarriers(page)).toEqual([]);
  await ownEngine?.start();
  startModule();
  await expect.poll(async () => (await ask(port, '/healthz'))?.status, WAIT).toBe(200);
  await waitForText(page, '#live', /^Live$/);
});

it('says that a module which stands still does not answer, and is live again when it goes on', async () => {
  const stage = await startStage();
  const { push, desire, startModule, waitForPhases, url } = stage;
  await push('acme/bridge:3', ['bridge']);
  desire({ bridge: 'acme/bridge:3' });
  const module = startModule();
  await waitForPhases({ bridge: 'Pulled' });
  const { page } = await openPage(browser, url);
  await page.clock.install();
  await page.reload();
  await waitForText(page, '#live', /^Live$/);
  process.kill(module.pid, 'SIGSTOP');
  try {
    await page.clock.fastForward(20_000);
    expect(await page.locator('#live').innerText()).toBe('Live');
    await page.clock.fastForward(20_000);
    await waitForText(page, '#live', /No answer from the module/);
    expect(await page.locator('body').getAttribute('class')).toBe('lost');
  } finally {
    process.kill(module.pid, 'SIGCONT');
  }
  await waitForText(page, '#live', /^Live$/);
  desire({});
  await waitForText(page, 'h1', /^No images are desired$/);
});

it('takes no stream while nobody sees it, and tells one that there are too many from a module that is gone', async () => {
  const stage = await startStage();
  const { desire, startModule, url } = stage;
  startModule();
  await expect.poll(async () => (await ask(stage.port, '/'))?.status, WAIT).toBe(200);
  const { page } = await openPage(browser, url);
  await page.clock.install();
  await page.reload();
  await waitForText(page, '#live', /^Live$/);
  const become = (visibility: 'hidden' | 'visible') =>
    page.evaluate(`Object.defineProperty(document, 'hidden', { value: ${visibility === 'hidden'}, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));`);
  await become('hidden');
  const others = await Promise.all(Array.from({ length: 7 }, () => openStream(url)));
  await expect.poll(async () => (await openStream(url)).status, WAIT).toBe(200);
  desire({ bridge: 'acme/Bridge' });
  expect(await page.locator('#live').innerText()).toMatch(/^Asking the module/);

  await become('visible');
  await waitForText(page, '#live', /^Too many pages are open/);
  others[0]?.leave();
  await expect
    .poll(async () => {
      await page.clock.fastForward(15_000);
      return page.locator('#live').innerText();
    }, WAIT)
    .toBe('Live');
  await waitForText(page, 'h1', /^0 of 1 image on this device$/);
});

it('no page of another origin can show it in a frame or read it', async () => {
  const stage = await startStage();
  stage.startModule();
  await expect.poll(async () => (await ask(stage.port, '/'))?.status, WAIT).toBe(200);
  const other = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html').end(`<iframe src="${stage.url}"></iframe>`);
  });
  await new Promise<void>((resolve) => other.listen(0, resolve));
  const { port } = other.address() as { port: number };
  try {
    const { page, troubles } = await openPage(browser, `http://localhost:${port}/`);
    await expect.poll(() => troubles.join('\n'), WAIT).toContain("frame-ancestors 'none'");
    const read = `fetch('${stage.url}').then(() => 'read', () => 'refused')`;
    expect(await page.evaluate(read)).toBe('refused');
  } finally {
    other.close();
  }
});
