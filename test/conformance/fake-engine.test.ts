import { formatPlatform, parsePlatform } from '#core/platform';
import { Secret } from '#core/secret';
import { describeEngine } from '#test/conformance/engine';
import type { EngineHarness } from '#test/conformance/engine-bench';
import { createFakeEngine } from '#test/fakes/fake-engine';

describeEngine('the fake engine', async () => {
  const engine = createFakeEngine();
  const address = '127.0.0.1:5000';
  const heal = (): void => {
    engine.failures.clear();
    engine.idsInUse.clear();
    engine.pullsFinishAtOnce = true;
  };
  heal();
  engine.passwords.set(address, { device: 'right password' });
  return {
    engine,
    address,
    credential: { name: 'password', username: 'device', password: new Secret('right password') },
    async serve(repository, tag, { seed = 'app', platform = 'linux/amd64' } = {}) {
      const parsed = parsePlatform(platform) ?? { os: 'linux', architecture: 'amd64' };
      const content = engine.serve(
        `${address}/${repository}:${seed}-${formatPlatform(parsed).replaceAll('/', '-')}`,
        {
          platform: parsed,
        },
      );
      return engine.serve(`${address}/${repository}:${tag}`, content).digest;
    },
    forbid(repository) {
      for (const name of engine.served.keys()) {
        if (name.startsWith(`${address}/${repository}:`)) engine.failures.set(name, 'AccessDenied');
      }
    },
    async use(imageId) {
      engine.idsInUse.add(imageId);
    },
    async setAway(isAway) {
      if (isAway) engine.failures.set(address, 'RegistryUnreachable');
      else engine.failures.delete(address);
    },
    holdPulls() {
      engine.pullsFinishAtOnce = false;
    },
    async untilPulling() {
      if (engine.pulls.length === 0) throw new Error('no pull is under way');
    },
    async reset() {
      heal();
      for (const { id } of await engine.listImages(new AbortController().signal)) engine.evict(id);
    },
    close: () => Promise.resolve(),
  } satisfies EngineHarness;
});
