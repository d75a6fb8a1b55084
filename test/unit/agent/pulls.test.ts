import { expect, test } from 'vitest';
import { ADDRESS, startStage } from '#test/unit/agent/stage';

test('a pull is handed what the registry’s entry says: the accepted credential and the authority', async () => {
  const { engine, desire } = startStage();
  engine.passwords.set(ADDRESS, { device: 'two' });
  engine.serve(`${ADDRESS}/app:1`);
  const ca = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n';
  const plant = { address: ADDRESS, username: 'device', password: 'one', password2: 'two', ca };
  await desire({ app: { image: `${ADDRESS}/app:1` } }, {}, { registryCredentials: { plant } });
  expect(engine.pulls[0]?.request).toMatchObject({ ca, credential: { name: 'password2' } });
});

test('a pull from a registry that no entry lists is anonymous', async () => {
  const { engine, desire } = startStage();
  engine.serve('other.example:5000/app:1');
  await desire({ app: { image: 'other.example:5000/app:1' } });
  expect(engine.pulls[0]?.request.credential).toBeUndefined();
  expect(engine.pulls[0]?.request.ca).toBeUndefined();
});
