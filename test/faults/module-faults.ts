import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { makeImage, toObject } from '#test/e2e/scene';
import type { Fault } from './fault.ts';
import { killFaults } from './kill-faults.ts';
import { setTime, settableTime } from './quick-time.ts';
import { healRegistry } from './registry-faults.ts';
import type { Stage } from './stage.ts';
import { storageFaults } from './storage-faults.ts';

const group = 'the module itself';

/** edgeAgent's SIGKILL would follow. */
const GRACE_MS = 10_000;

/** SIGTERM, whatever the module is at: it ends by itself, says so last, and starts again. */
function sigterm(phase: string, begin: Fault['inject'], end: Fault['heal'] = () => undefined): Fault {
  return {
    group,
    name: `SIGTERM ${phase}`,
    inject: begin,
    async whileItLasts(stage) {
      const { edge } = stage;
      const reports = edge.reports.length;
      const { connected } = edge;
      const beganAtMs = performance.now();
      const ending = await stage.restart('SIGTERM');
      const durationMs = Math.round(performance.now() - beganAtMs);
      expect(ending).toEqual({ code: 0, signal: null });
      expect(durationMs).toBeLessThan(GRACE_MS);
      const last = edge.reports.slice(reports).map(({ patch }) => JSON.stringify(patch));
      if (connected) expect(last.filter((patch) => patch.includes('"phase":"Pulling"'))).toEqual([]);
      return `exit code 0 after ${durationMs} ms`;
    },
    heal: end,
  };
}

const terms: readonly Fault[] = [
  sigterm('while there is nothing to do', () => undefined),
  sigterm('in mid-pull', async (stage) => void (await stage.wantSlowly()), healRegistry),
  sigterm(
    'while a login waits for the registry',
    async (stage) => {
      stage.registry.faults.hang = true;
      stage.registries.set('plant', { ...stage.plant, password2: stage.passwords.two });
      stage.desireAll();
      const logins = stage.registry.requests.length;
      await stage.until('a login', () => stage.registry.requests.length > logins);
    },
    healRegistry,
  ),
  sigterm(
    'while a retry is due',
    async (stage) => {
      await stage.registry.stop();
      await stage.waitForPhase(await stage.want(), 'Failed RegistryUnreachable');
    },
    ({ registry }) => registry.start(),
  ),
  sigterm(
    'while edgeHub is away',
    ({ edge }) => edge.stopHub(),
    ({ edge }) => edge.startHub(),
  ),
  sigterm(
    'while edgeHub answers nothing',
    ({ edge }) => void (edge.faults.blackHole = true),
    ({ edge }) => void (edge.faults.blackHole = false),
  ),
  sigterm(
    'while the engine hangs',
    ({ ownEngine }) => ownEngine?.pause(),
    ({ ownEngine }) => ownEngine?.resume(),
  ),
  sigterm('just after the start', async (stage) => {
    await stage.restart('SIGKILL');
    // Before its first line nobody but Node.js itself would hear the signal.
    await stage.until('the first line', () => stage.process().output.includes('starts'));
  }),
];

/** The device's clock is set while the module runs, and set right again. */
const clockJump = (shift: string, words: string): Fault => ({
  group,
  name: `the clock jumps ${words}`,
  lab: settableTime,
  async inject(stage) {
    await stage.registry.stop();
    await stage.waitForPhase(await stage.want(), 'Failed RegistryUnreachable');
    await setTime(stage, shift);
  },
  async whileItLasts(stage) {
    await stage.registry.start();
    await stage.until('the jump', () => stage.process().output.includes('the clock was set'));
    await stage.waitForPhase(stage.latest(), 'Pulled');
    return 'the retry came in its time, and the next image too';
  },
  async heal(stage) {
    await stage.registry.start();
    await setTime(stage, '+0');
  },
});

/** A list that is another one before it could be had. */
const restless: Fault = {
  group,
  name: 'the desired list changes every second',
  inject: () => undefined,
  async whileItLasts(stage) {
    const { wanted, isLong } = stage;
    stage.registry.faults.totalBytesPerSecond = 2_000_000;
    const changes = isLong ? 120 : 15;
    for (let change = 0; change < changes; change += 1) {
      await stage.want({ layers: 2, layerBytes: 300_000 });
      const oldest = [...wanted.keys()][1];
      if (change % 2 === 1 && oldest !== undefined) wanted.delete(oldest);
      await sleep(1000);
    }
    return `${changes} changes, ${wanted.size} images wanted at last`;
  },
  heal: healRegistry,
  recoveryMs: 120_000,
};

const LONG_LIST = 2000;
const ONE_OF_THOUSANDS = /^i[\da-z]{1,3}$/;

/** IoT Hub takes 32 KB of desired properties: so many images only fit with the shortest of names. */
async function wantThousands(stage: Stage): Promise<void> {
  const { registry, wanted } = stage;
  const readers = registry.scopeMaps.get('readers') ?? [];
  registry.scopeMaps.set('readers', [...readers, 'repositories/m/content/read']);
  await registry.push(await makeImage(['thousands'], 20_000), 'm', '0');
  const tags = Array.from({ length: LONG_LIST }, (_, index) => (index + 1).toString(36));
  // One after another: the registry writes the same files for each.
  for (const tag of tags) await registry.tag('m', '0', tag);
  for (const tag of tags) wanted.set(`i${tag}`, `m:${tag}`);
  stage.desireAll();
}

/** Many more images than anybody lists. */
const longList: Fault = {
  group,
  name: `${LONG_LIST} images are wanted`,
  isLong: true,
  inject: wantThousands,
  async whileItLasts(stage) {
    await stage.waitForReady(900_000);
    const reported = stage.edge.reported();
    const { desired, pulled } = toObject(reported['summary']);
    expect(pulled).toBe(desired);
    // IoT Hub takes no more than 32 KB by its own count, and edgeHub says nothing when it refuses.
    expect(stage.edge.stuck).toBe(false);
    return `${String(pulled)} of ${String(desired)} pulled; ${String(reported['omitted'])} left out of the report, which IoT Hub takes`;
  },
  heal(stage) {
    const isOne = (name: string): boolean => ONE_OF_THOUSANDS.test(name);
    for (const name of stage.wanted.keys()) if (isOne(name)) stage.wanted.delete(name);
    stage.desireAll();
  },
};

/** Names, references and texts that nobody in their right mind writes; each entry for itself. */
const HOSTILE: readonly (readonly [string, unknown])[] = [
  ['n'.repeat(64), 'hello-world'],
  ['text', 'x'.repeat(4000)],
  ['spaces', ' hello world '],
  ['controls', 'hello\u0000\u001b[31m-world'],
  ['newlines', 'hello\n<3> 2026-01-01 00:00:00.000 +00:00 [ERR] - forged'],
  ['login', 'user:secret-in-a-name@plant:8000/app'],
  ['path', '../../etc/passwd'],
  ['number', 42],
  ['boolean', true],
  ['nothing', {}],
  ['list', { image: ['hello-world'] }],
  ['deep', { image: { image: { image: 'hello-world' } } }],
  ['tags', { image: 'hello-world', tagAs: 'no-list' }],
  ['platform', { image: 'hello-world', platform: 'plan9/riscv/../..' }],
  ['priority', { image: 'hello-world', priority: 1e9 }],
  ['registry', { image: 'hello-world', registry: '__proto__' }],
  ['constructor', 'hello-world'],
];

const hostile: Fault = {
  group,
  name: 'names, references and values are at their limits, beyond them, and hostile',
  inject(stage) {
    for (const [name, entry] of HOSTILE) stage.wanted.set(name, entry);
    stage.desireAll();
  },
  async whileItLasts(stage) {
    await stage.waitForPhase(stage.latest(), 'Pulled');
    await stage.waitForPhase('hello', 'Pulled');
    const { code, description } = toObject(stage.edge.reported()['lastDesiredStatus']);
    expect(code).toBe(400);
    expect(String(description).length).toBeLessThanOrEqual(1000);
    expect(stage.output).not.toContain('secret-in-a-name');
    expect(stage.output.split('\n').filter((line) => line.startsWith('<3> 2026-01-01'))).toEqual([]);
    return `${HOSTILE.length} entries; the sound one among them was pulled`;
  },
  heal(stage) {
    for (const [name] of HOSTILE) stage.wanted.delete(name);
    stage.desireAll();
  },
};

/** What can happen to the module's own process, folder, clock and wishes. */
export const moduleFaults: readonly Fault[] = [
  ...killFaults,
  ...terms,
  ...storageFaults,
  clockJump('+1d', 'a day ahead'),
  clockJump('-1d', 'a day back'),
  restless,
  longList,
  hostile,
];
