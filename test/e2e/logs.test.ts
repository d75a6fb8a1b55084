import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { EDGE_AGENT } from '../unit/adapters/edge-agent-log.ts';
import { startScene, WAIT } from './scene.ts';

/** The text of each line, as edgeAgent takes it apart; a line that it cannot take apart is an error. */
function parseLines(output: string): { readonly level: string; readonly text: string }[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { logLevel, timestamp, logtext } = EDGE_AGENT.exec(line)?.groups ?? {};
      if (logLevel === undefined || timestamp === undefined)
        throw new Error(`edgeAgent cannot filter: ${line}`);
      return { level: logLevel, text: logtext ?? '' };
    });
}

/** What a line says without what differs from run to run. */
const toShape = (text: string): string =>
  text
    .replace(/ \{.*$/, '')
    .replaceAll(/\d+(\.\d+)? (s|min|h|B|kB|MB|retry|retries)\b/g, '# $2')
    .replace(/^(\[\w+\] - rollout) \d+:/, '$1 #:');

it('the log of a rollout with one fault reads as docs/logs.md shows it', async () => {
  const storageFolder = await mkdtemp(join(tmpdir(), 'logs-'));
  onTestFinished(() => rm(storageFolder, { recursive: true }));
  const scene = await startScene({ hasRelay: false, environment: { storageFolder } });
  const { push, desire, startModule, waitForPhases, waitForReady, registry } = scene;
  const names = ['analytics', 'camera', 'gateway', 'storage'];
  for (const name of names) await push(`acme/${name}:1`, ['base', name], 2_000_000);
  const images = Object.fromEntries([...names, 'updater'].map((name) => [name, `acme/${name}:1`]));
  desire(images);
  const module = startModule();
  await waitForPhases({
    ...Object.fromEntries(names.map((name) => [name, 'Pulled'])),
    updater: 'Failed NotFound',
  });
  await registry.stop();
  await scene.call('PullImages', { images: ['updater'] });
  await expect.poll(() => module.output, WAIT).toContain('login failed');
  await registry.start();
  await expect.poll(() => module.output, WAIT).toContain('login succeeded again');
  await push('acme/updater:1', ['base', 'updater'], 2_000_000);
  await waitForReady();
  await module.stop();

  if (process.env['SHOW_ANSWERS'] !== undefined) console.log(module.output);
  const lines = parseLines(module.output);
  expect(lines.filter(({ level }) => Number(level) <= 3)).toEqual([]);
  const documented = /```text\n(.*?)\n```/s.exec(await readFile('docs/logs.md', 'utf8'))?.[1] ?? '';
  const toShapes = (all: typeof lines): ReadonlySet<string> => new Set(all.map(({ text }) => toShape(text)));
  expect(toShapes(lines)).toEqual(toShapes(parseLines(documented)));
});
