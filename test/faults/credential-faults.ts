import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { toObject } from '#test/e2e/scene';
import type { Fault } from './fault.ts';
import { healRegistry, waitForLatest } from './registry-faults.ts';
import type { Stage } from './stage.ts';

const group = 'registry';
const HOUR_MS = 3_600_000;
const READERS = ['repositories/acme/*/content/read', 'repositories/hello-world/content/read'];

const isRefused = ({ login }: Stage): boolean =>
  login()['login'] === 'Failed' && login()['reason'] === 'Unauthorized';
const refusals = ({ registry }: Stage): number => registry.tokenRequests.filter(({ ok }) => !ok).length;

const untilRefused = (stage: Stage): Promise<void> => stage.until('a refused login', () => isRefused(stage));

async function waitForRefusedLogin(stage: Stage): Promise<string> {
  await untilRefused(stage);
  return waitForLatest(stage, 'Failed Unauthorized');
}

/** The password that is in use expires now; a second one may be there. */
function expire(stage: Stage): void {
  const token = stage.registry.tokens.get(stage.plant.username);
  if (token?.passwords.password1 === undefined) throw new Error('no password to expire');
  token.passwords.password1 = { ...token.passwords.password1, expiresAtMs: Date.now() };
}

const restorePasswords = ({ setPasswords, passwords }: Stage): void =>
  setPasswords(passwords.one, passwords.two);

const passwords: readonly Fault[] = [
  {
    group,
    name: 'the password expires in mid-list, and there is no other',
    async inject(stage) {
      stage.settings.set('maxConcurrentPulls', 1);
      stage.registry.faults.bytesPerSecond = 60_000;
      const first = await stage.want({ layerBytes: 60_000 });
      for (let count = 0; count < 3; count += 1) await stage.want({ layerBytes: 60_000 });
      await stage.waitForPhase(first, 'Pulled');
      expire(stage);
    },
    whileItLasts: waitForRefusedLogin,
    heal(stage) {
      healRegistry(stage);
      restorePasswords(stage);
    },
  },
  {
    group,
    name: 'the password expires in mid-list, and the second one takes over',
    async inject(stage) {
      stage.registries.set('plant', { ...stage.plant, password2: stage.passwords.two });
      stage.settings.set('maxConcurrentPulls', 1);
      for (let count = 0; count < 4; count += 1) await stage.want();
      expire(stage);
    },
    async whileItLasts(stage) {
      await stage.waitForReady(60_000);
      expect(stage.login()).toMatchObject({ login: 'Succeeded', credential: 'password2' });
      return 'everything was pulled meanwhile, with password2';
    },
    heal: restorePasswords,
  },
  {
    group,
    name: 'the client token is disabled for a while',
    inject({ registry, plant }) {
      const token = registry.tokens.get(plant.username);
      if (token !== undefined) token.status = 'disabled';
    },
    whileItLasts: waitForRefusedLogin,
    heal: restorePasswords,
  },
];

const WATCH_SECONDS = 12;
const RETRY_SECONDS = 3;

/** Item by item an account would be locked out: one login stands for all images of a registry. */
const lockout: Fault = {
  group,
  name: 'both passwords are wrong, and 200 images are wanted',
  isSlow: true,
  async inject(stage) {
    const { registries, plant, settings } = stage;
    settings.set('retryInitialSeconds', RETRY_SECONDS);
    settings.set('retryMaxSeconds', RETRY_SECONDS);
    await stage.wantMany(200);
    registries.set('plant', { ...plant, password: 'wrong-7d1c90', password2: 'wrong-25be03' });
  },
  async whileItLasts(stage) {
    await waitForRefusedLogin(stage);
    const before = refusals(stage);
    const beganAtMs = performance.now();
    await sleep(WATCH_SECONDS * 1000);
    const seconds = (performance.now() - beganAtMs) / 1000;
    const count = refusals(stage) - before;
    expect(count, 'it is tried again').toBeGreaterThanOrEqual(2);
    expect(count, 'both passwords, once a retry delay').toBeLessThanOrEqual(
      2 * Math.ceil(seconds / RETRY_SECONDS),
    );
    return `${count} refusals in ${Math.round(seconds)} s, 2 passwords, a retry delay of ${RETRY_SECONDS} s`;
  },
  async heal(stage) {
    stage.registries.set('plant', stage.plant);
    stage.desireAll();
  },
  recoveryMs: 180_000,
};

/** The pulls (3) and comparisons (4) that were under way may each meet it, then one login says so: whatever the list's length. */
const MOST_AT_ONCE = 3 + 4 + 1;

function refusedAmidMany(): Fault {
  let met = 0;
  return {
    group,
    name: 'the password is refused while 100 images are being pulled',
    async inject(stage) {
      const { settings, registry, edge } = stage;
      settings.set('retryInitialSeconds', RETRY_SECONDS);
      settings.set('retryMaxSeconds', RETRY_SECONDS);
      registry.faults.latencyMs = 30;
      await stage.wantMany(100);
      await edge.waitForReported(({ summary }) => Number(toObject(summary)['pulled']) >= 10, 60_000);
      const before = refusals(stage);
      expire(stage);
      await untilRefused(stage);
      met = refusals(stage) - before;
    },
    whileItLasts() {
      expect(met).toBeLessThanOrEqual(MOST_AT_ONCE);
      return Promise.resolve(`${met} refusals until the login said so`);
    },
    heal(stage) {
      healRegistry(stage);
      restorePasswords(stage);
    },
    recoveryMs: 120_000,
  };
}

const rights: readonly Fault[] = [
  {
    group,
    name: 'the scope map loses the repositories and gets them back',
    inject: ({ registry }) =>
      void registry.scopeMaps.set('readers', ['repositories/hello-world/content/read']),
    whileItLasts: (stage) => waitForLatest(stage, 'Failed AccessDenied'),
    heal: ({ registry }) => void registry.scopeMaps.set('readers', READERS),
  },
  {
    group,
    name: 'the clocks of token endpoint and registry differ by an hour',
    inject: ({ registry }) => void (registry.tokenLifetimeMs = -HOUR_MS),
    whileItLasts: (stage) => waitForLatest(stage, 'Failed Unauthorized'),
    heal: ({ registry }) => void (registry.tokenLifetimeMs = HOUR_MS),
  },
  {
    group,
    name: 'the token endpoint answers 503',
    inject: ({ registry }) => void (registry.faults.tokenStatus = 503),
    whileItLasts: (stage) => waitForLatest(stage, 'Failed RegistryError'),
    heal: healRegistry,
  },
  {
    group,
    name: 'the token endpoint accepts and never answers',
    inject: ({ registry }) => void (registry.faults.tokenHangs = true),
    isSlow: true,
    whileItLasts: (stage) => waitForLatest(stage, 'Failed RegistryUnreachable', 90_000),
    heal: healRegistry,
    recoveryMs: 120_000,
  },
];

/** What can happen to the right to pull. */
export const credentialFaults: readonly Fault[] = [...rights, ...passwords, lockout, refusedAmidMany()];
