import { chmod, chown, mkdir, rm, rmdir, symlink } from 'node:fs/promises';
import { expect } from 'vitest';
import { callEngineJson } from '#lab/engine/engine-api';
import type { Engine } from '#lab/engine/engine';
import { makeImage } from '#test/e2e/scene';
import { boundSocketLab, deafLab, toBoundSocket } from './engine-labs.ts';
import { diskFaults } from './disk-faults.ts';
import type { Fault } from './fault.ts';
import { quickTime } from './quick-time.ts';
import { healRegistry } from './registry-faults.ts';
import type { Stage } from './stage.ts';

const group = 'engine';

export function toOwnEngine({ ownEngine }: Stage): Engine {
  if (ownEngine === undefined) throw new Error('the lab has no engine of its own');
  return ownEngine;
}

/** Nobody can say what the engine has: nothing is told as there, and the message names the cause. */
async function waitForAbsence(stage: Stage, cause: RegExp, deadlineMs = 60_000): Promise<string> {
  await stage.waitForPhase('hello', 'Failed EngineUnavailable', deadlineMs);
  const message = String(stage.image('hello')['message']);
  expect(message).toMatch(cause);
  return message.replaceAll(stage.dir, '…');
}

/** Something else is in the place of the socket, from the start or in mid-life. */
function socketFault(
  name: string,
  cause: RegExp,
  spoil: (path: string, engine: Engine) => Promise<void>,
  cure: (path: string, engine: Engine) => Promise<void>,
): Fault {
  return {
    group,
    name,
    lab: boundSocketLab,
    isAtStart: true,
    inject: (stage) => spoil(toBoundSocket(stage), toOwnEngine(stage)),
    whileItLasts: (stage) => waitForAbsence(stage, cause),
    heal: (stage) => cure(toBoundSocket(stage), toOwnEngine(stage)),
  };
}

const STRANGER = 4321;

const sockets: readonly Fault[] = [
  socketFault(
    'the socket is not there',
    /There is no socket at/,
    (path) => rm(path),
    (path, { socketPath }) => symlink(socketPath, path),
  ),
  socketFault(
    'a folder is in the socket’s place',
    /is a folder, not the engine's socket/,
    async (path) => {
      await rm(path);
      await mkdir(path);
    },
    async (path, { socketPath }) => {
      await rmdir(path);
      await symlink(socketPath, path);
    },
  ),
  socketFault(
    'the module has no right to the socket',
    new RegExp(`Permission denied .* add "${STRANGER}" to GroupAdd`),
    async (_path, { socketPath }) => {
      await chown(socketPath, STRANGER, STRANGER);
      await chmod(socketPath, 0o660);
    },
    async (_path, { socketPath }) => chown(socketPath, 0, 0),
  ),
];

const outages: readonly Fault[] = [
  {
    group,
    name: 'the engine is stopped in mid-pull and started again',
    async inject(stage) {
      await stage.wantSlowly();
      await toOwnEngine(stage).stop();
    },
    whileItLasts: (stage) => waitForAbsence(stage, /socket/),
    async heal(stage) {
      healRegistry(stage);
      await toOwnEngine(stage).start();
    },
  },
  {
    group,
    name: 'the engine is killed in mid-pull and started again',
    async inject(stage) {
      await stage.wantSlowly();
      const engine = toOwnEngine(stage);
      process.kill(engine.pid, 'SIGKILL');
      await stage.until('the end of the engine', () =>
        engine.version().then(
          () => false,
          () => true,
        ),
      );
      await engine.stop();
    },
    whileItLasts: (stage) => waitForAbsence(stage, /socket|listens/),
    async heal(stage) {
      healRegistry(stage);
      await toOwnEngine(stage).start();
    },
  },
  {
    group,
    name: 'the engine hangs (SIGSTOP)',
    lab: quickTime(5),
    isSlow: true,
    inject: (stage) => toOwnEngine(stage).pause(),
    whileItLasts: (stage) => waitForAbsence(stage, /did not answer within/, stage.isLong ? 120_000 : 60_000),
    heal: (stage) => toOwnEngine(stage).resume(),
    recoveryMs: 120_000,
  },
];

const evictionsOf = (stage: Stage, name: string): number => Number(stage.image(name)['evictions'] ?? 0);

/** Takes an image away behind the module's back; it comes back by itself. */
const deletion: Fault = {
  group,
  name: 'an image is deleted behind the module’s back',
  async inject(stage) {
    await stage.engine.remove(`${stage.registry.address}/hello-world:latest`);
  },
  async whileItLasts(stage) {
    await stage.until('the eviction', () => evictionsOf(stage, 'hello') >= 1);
    return `evictions: ${evictionsOf(stage, 'hello')}`;
  },
  heal: () => undefined,
};

/** A listing of the engine, at the latest five minutes later, shows what no event told. */
const missedEvent: Fault = {
  ...deletion,
  name: 'an image is deleted, and the event of it is lost',
  lab: deafLab(quickTime(20)),
  isSlow: true,
  async whileItLasts(stage) {
    const { until } = stage;
    await until('the eviction', () => evictionsOf(stage, 'hello') >= 1, stage.isLong ? 420_000 : 60_000);
    return `found by a listing; evictions: ${evictionsOf(stage, 'hello')}`;
  },
};

const foreign: Fault = {
  group,
  name: 'an image is for another architecture, until it is pushed anew',
  async inject(stage) {
    const image = await makeImage([`foreign-${Math.random()}`], 20_000, 'linux/arm64');
    await stage.registry.push(image, 'acme/foreign', '1');
    stage.wanted.set('foreign', { image: 'acme/foreign:1', registry: 'plant' });
    stage.desireAll();
  },
  async whileItLasts(stage) {
    await stage.waitForPhase('foreign', 'Failed PlatformMismatch');
    const names = (await stage.engine.images()).flatMap(({ references }) => references);
    expect(names.filter((name) => name.includes('acme/foreign'))).toEqual([]);
    return 'Failed PlatformMismatch, and nothing of it stays in the engine';
  },
  async heal({ registry }) {
    await registry.push(await makeImage([`native-${Math.random()}`], 20_000), 'acme/foreign', '1');
  },
};

const PRUNE = `/images/prune?filters=${encodeURIComponent('{"dangling":["false"]}')}`;

function pruning(): Fault {
  let isOver = false;
  let prunes = 0;
  let running: Promise<void> | undefined;
  return {
    group,
    name: '“docker image prune -a” runs again and again while images are being pulled',
    async inject(stage) {
      isOver = false;
      stage.registry.faults.bytesPerSecond = 400_000;
      for (let count = 0; count < 3; count += 1) await stage.want({ layers: 3, layerBytes: 200_000 });
      const prune = async (): Promise<void> => {
        while (!isOver) {
          await callEngineJson(toOwnEngine(stage).dockerHost, { method: 'POST', path: PRUNE });
          prunes += 1;
          await new Promise((resolve) => setTimeout(resolve, 500));
        }
      };
      running = prune();
    },
    async whileItLasts(stage) {
      const evictions = (): number =>
        [...stage.wanted.keys()].reduce((sum, name) => sum + evictionsOf(stage, name), 0);
      await stage.until('three evictions', () => evictions() >= 3, 60_000);
      return `${prunes} prunes, ${evictions()} evictions reported`;
    },
    async heal(stage) {
      isOver = true;
      await running;
      healRegistry(stage);
    },
  };
}

/** What can happen to the engine, and to what it holds. */
export const engineFaults: readonly Fault[] = [
  ...sockets,
  ...outages,
  ...diskFaults,
  deletion,
  missedEvent,
  foreign,
  pruning(),
];
