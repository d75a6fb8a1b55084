import { describe, expect, it } from 'vitest';
import { AgentError } from '#core/reason';
import { ADDRESS, startStage } from './stage.ts';
import type { Stage } from './stage.ts';

const HOUR_MS = 3_600_000;

/** Lines that an operator sees who did not ask for more: level and message. */
const listLines = ({ logs }: Stage): string[] =>
  logs.filter((line) => !line.startsWith('debug')).map((line) => line.replace(/ \{.*$/, ''));

/** The fields of the last line with a message. */
function fieldsOf({ logs }: Stage, message: string): Record<string, unknown> {
  const line = logs.findLast((candidate) => candidate.includes(` ${message} {`)) ?? '{}';
  return JSON.parse(line.slice(line.indexOf('{'))) as Record<string, unknown>;
}

/** Two images, of which the registry has one. */
async function startWithFault(): Promise<Stage> {
  const stage = startStage();
  stage.engine.serve(`${ADDRESS}/acme/camera:1`);
  stage.engine.pullsFinishAtOnce = true;
  await stage.desire({ camera: 'acme/camera:1', gate: 'acme/gate:1' });
  await stage.clock.advance(5000);
  return stage;
}

describe('the log of a rollout', () => {
  it('is a line for each thing that happens, and one that sums it up', async () => {
    const stage = await startWithFault();
    expect(listLines(stage)).toEqual([
      'info desired properties accepted',
      'info login succeeded',
      'info plan',
      'info image pulled',
      'info plan',
      'warn image not pulled; will retry',
      'warn rollout 1: 1 of 2 images ready after 0 s, 1.0 MB, 1 retry; failed: gate (NotFound)',
    ]);
    expect(fieldsOf(stage, 'plan')).toEqual({ now: 'pull gate' });
    expect(fieldsOf(stage, 'image not pulled; will retry')).toMatchObject({
      image: 'gate',
      reference: `${ADDRESS}/acme/gate:1`,
      reason: 'NotFound',
      advice: expect.stringContaining('not synced') as string,
    });
  });

  it('says nothing more while nothing else happens, for a day', async () => {
    const stage = await startWithFault();
    const before = listLines(stage).length;
    await stage.clock.advance(24 * HOUR_MS);
    expect(listLines(stage).slice(before)).toEqual([]);
  });

  it('names what is left out for its name as failed, though nothing else is', async () => {
    const stage = startStage();
    await stage.desire({ 'acme/gate': 'acme/gate:1' });
    await stage.clock.advance(HOUR_MS);
    const [, line] = listLines(stage);
    expect(line).toMatch(/^warn rollout 1: 0 of 1 image ready after \d+ s, 0 B, no retries; failed: /);
    expect(line).toMatch(/; failed: images\."acme\/gate" \(InvalidImage\)$/);
    expect(listLines(stage)).toHaveLength(3);
    await stage.desire({});
    await stage.clock.advance(5000);
    expect(listLines(stage).slice(3)).toEqual([
      'info desired properties accepted',
      expect.stringMatching(
        /^info rollout 1: 0 of 1 .*"acme\/gate" \(InvalidImage\); another version takes its place$/,
      ),
      expect.stringMatching(/^info rollout 2: 0 of 0 images ready/),
    ]);
  });

  it('ends in one line when all are ready, whatever came before', async () => {
    const stage = await startWithFault();
    const before = listLines(stage).length;
    stage.engine.serve(`${ADDRESS}/acme/gate:1`);
    await stage.clock.advance(900_000);
    const [, line = ''] = listLines(stage).slice(before);
    expect(listLines(stage).slice(before)).toEqual(['info image pulled', line]);
    expect(line).toMatch(/^info rollout 1: 2 of 2 images ready in \d+ s, 2\.0 MB, 1 retry$/);
  });

  it('says how far a rollout was that another one takes the place of', async () => {
    const stage = await startWithFault();
    await stage.desire({ camera: 'acme/camera:1' });
    await stage.clock.advance(5000);
    expect(listLines(stage).slice(-3)).toEqual([
      'info desired properties accepted',
      'info rollout 1: 1 of 2 images ready after 6 s, 1.0 MB, 1 retry; failed: gate (NotFound); another version takes its place',
      'info rollout 2: 1 of 1 image ready in 0 s, 0 B, no retries',
    ]);
  });

  it('says in words what waits for something else than its turn', async () => {
    const stage = startStage();
    stage.engine.serve(`${ADDRESS}/acme/camera:1`);
    stage.engine.pullsFinishAtOnce = true;
    await stage.desire(
      { camera: 'acme/camera:1' },
      { pullWindow: { start: '13:00', end: '14:00', timeZone: 'UTC' } },
    );
    await stage.clock.advance(HOUR_MS / 2);
    expect(fieldsOf(stage, 'plan')).toEqual({ waiting: '1 OutsideWindow: Pulls start at 13:00 UTC.' });
    expect(listLines(stage).filter((line) => line === 'info plan')).toHaveLength(1);
    await stage.clock.advance(HOUR_MS);
    expect(fieldsOf(stage, 'plan')).toEqual({ now: 'pull camera' });
  });

  it('tells an eviction, the pull that heals it, and that all are ready again', async () => {
    const stage = startStage();
    stage.engine.serve(`${ADDRESS}/acme/camera:1`);
    stage.engine.pullsFinishAtOnce = true;
    await stage.desire({ camera: 'acme/camera:1' });
    const before = listLines(stage).length;
    stage.engine.evict(`${ADDRESS}/acme/camera:1`);
    await stage.clock.advance(30_000);
    expect(listLines(stage).slice(before)).toEqual([
      'warn image vanished from the engine; it is pulled again',
      'info plan',
      'info image pulled',
      'info all images are ready again',
    ]);
  });
});

describe('an outage of an hour is a handful of lines', () => {
  it('of the registry, with twenty images that wait for it', async () => {
    const stage = startStage();
    stage.engine.failures.set(ADDRESS, 'RegistryUnreachable');
    const names = Array.from({ length: 20 }, (_, index) => `image${index}`);
    for (const name of names) stage.engine.serve(`${ADDRESS}/acme/${name}:1`);
    stage.engine.pullsFinishAtOnce = true;
    await stage.desire(Object.fromEntries(names.map((name) => [name, `acme/${name}:1`])));
    await stage.clock.advance(HOUR_MS);
    const lines = listLines(stage);
    expect(lines.slice(0, 2)).toEqual(['info desired properties accepted', 'warn login failed; will retry']);
    expect(lines).toHaveLength(3);
    stage.engine.failures.clear();
    await stage.clock.advance(900_000);
    expect(listLines(stage)).toContain('info login succeeded again');
    expect(fieldsOf(stage, 'login succeeded again')).toMatchObject({
      failedFor: expect.stringMatching(/^1 h/),
    });
    expect(listLines(stage).filter((line) => line === 'info image pulled')).toHaveLength(20);
  });

  it('of the engine', async () => {
    const stage = startStage();
    stage.engine.put(`${ADDRESS}/acme/camera:1`);
    await stage.desire({ camera: 'acme/camera:1' });
    const before = listLines(stage).length;
    stage.engine.isAway = true;
    stage.engine.endEvents();
    await stage.clock.advance(HOUR_MS);
    expect(listLines(stage).slice(before)).toEqual(['error the engine does not answer; will try again']);
    stage.engine.isAway = false;
    await stage.clock.advance(30_000);
    expect(listLines(stage).slice(before + 1)).toEqual(['info the engine answers again']);
  });

  it('of a full disk, with twenty images that wait for room', async () => {
    const stage = startStage();
    const names = Array.from({ length: 20 }, (_, index) => `image${index + 10}`);
    for (const name of names) stage.engine.serve(`${ADDRESS}/acme/${name}:1`);
    stage.engine.pullsFinishAtOnce = true;
    stage.engine.freeBytes = 1_000_000;
    await stage.desire(Object.fromEntries(names.map((name) => [name, `acme/${name}:1`])));
    await stage.clock.advance(HOUR_MS);
    expect(listLines(stage)).toEqual([
      'info desired properties accepted',
      'info login succeeded',
      'info plan',
      'warn images wait for room on the engine’s disk',
      expect.stringMatching(/^warn rollout 1: 0 of 20 .*; waiting: image10 \(LowDisk\), .* and 15 more$/),
    ]);
    expect(fieldsOf(stage, 'images wait for room on the engine’s disk')).toEqual({
      images: expect.stringMatching(/^image10, .* and 10 more$/) as string,
      reason: 'LowDisk',
      error: "The engine's disk has less than 500 MB (minFreeDiskMB) to spare.",
      advice: expect.stringContaining('docker image prune') as string,
    });
    const before = listLines(stage).length;
    stage.engine.freeBytes = 10_000_000_000;
    await stage.clock.advance(900_000);
    const after = listLines(stage).slice(before);
    expect(after.filter((line) => line === 'info image pulled')).toHaveLength(20);
    expect(after.filter((line) => !/ (plan|image pulled)$/.test(line))).toEqual([
      'info no image waits for room on the engine’s disk any more',
      expect.stringMatching(/^info rollout 1: 20 of 20 images ready in 1 h/),
    ]);
  });

  it('of a disk on which there is now and then a little room, and never enough', async () => {
    const stage = startStage();
    stage.engine.serve(`${ADDRESS}/acme/camera:1`);
    stage.engine.freeBytes = 1_000_000;
    await stage.desire({ camera: 'acme/camera:1' });
    const before = listLines(stage).length;
    stage.engine.failures.set(`${ADDRESS}/acme/camera:1`, 'DiskFull');
    for (let minute = 0; minute < 60; minute += 1) {
      stage.engine.freeBytes = minute % 2 === 0 ? 600_000_000 : 1_000_000;
      await stage.clock.advance(60_000);
    }
    const lines = listLines(stage).slice(before);
    expect(lines.filter((line) => !line.startsWith('info plan'))).toEqual([
      'warn image not pulled; will retry',
    ]);
  });

  it('of an engine that lets an unlisted image not go, which is asked a few times', async () => {
    const stage = startStage();
    const { engine } = stage;
    engine.serve(`${ADDRESS}/acme/camera:1`);
    engine.pullsFinishAtOnce = true;
    await stage.desire({ camera: 'acme/camera:1' }, { unlisted: 'remove' });
    const before = listLines(stage).length;
    let asked = 0;
    engine.untag = async () => {
      asked += 1;
      throw new AgentError('Unknown', 'conflict');
    };
    await stage.desire({}, { unlisted: 'remove' });
    await stage.clock.advance(HOUR_MS);
    const refusals = listLines(stage)
      .slice(before)
      .filter((line) => line.includes('not removed'));
    expect(asked).toBe(refusals.length);
    expect(asked).toBeGreaterThanOrEqual(4);
    expect(asked).toBeLessThanOrEqual(10);
  });

  it('of edgeHub that knows nothing, and says so every half minute', async () => {
    const stage = startStage();
    for (let time = 0; time < 120; time += 1) {
      stage.hub.serve({ desired: {}, reported: {} });
      await stage.clock.advance(30_000);
    }
    expect(listLines(stage)).toEqual([
      'info edgeHub knows no desired properties; what is in force stays in force',
    ]);
  });
});
