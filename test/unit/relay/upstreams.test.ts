import { expect, test } from 'vitest';
import { Secret } from '#core/secret';
import type { RegistryAccess } from '#core/registry-access';
import { createUpstreams } from '#relay/upstreams';
import { createStubUpstream } from '#test/unit/relay/stub-upstream';

const ADDRESS = 'plant:5000';
const toCredential = (password: string) =>
  ({ name: 'password', username: 'device', password: new Secret(password) }) as const;
const toAccess = (password: string): RegistryAccess => ({
  address: ADDRESS,
  credential: toCredential(password),
});
const toRegistry = (...passwords: string[]) => ({
  name: 'plant',
  address: ADDRESS,
  credentials: passwords.map(toCredential),
});

function startUpstreams() {
  const opened: string[] = [];
  const upstreams = createUpstreams(({ credential }) => {
    opened.push(credential?.password.reveal() ?? 'anybody');
    return createStubUpstream();
  });
  return { upstreams, opened };
}

test('a password that is no longer listed leaves nothing behind, and those that are keep what they have', () => {
  const { upstreams, opened } = startUpstreams();
  const anybody = { address: ADDRESS, credential: undefined };
  const [old, one, other] = [
    upstreams.of(toAccess('old')),
    upstreams.of(toAccess('one')),
    upstreams.of(anybody),
  ];
  upstreams.keepListed([toRegistry('old', 'one')]);
  expect(upstreams.of(toAccess('old'))).toBe(old);
  upstreams.keepListed([toRegistry('one', 'two')]);
  expect(upstreams.of(toAccess('one'))).toBe(one);
  expect(upstreams.of(anybody)).toBe(other);
  expect(upstreams.of(toAccess('old'))).not.toBe(old);
  expect(opened).toEqual(['old', 'one', 'anybody', 'old']);
});

test('the same password at another address is another one', () => {
  const { upstreams, opened } = startUpstreams();
  upstreams.of(toAccess('one'));
  upstreams.keepListed([{ ...toRegistry('one'), address: 'elsewhere:5000' }]);
  upstreams.of(toAccess('one'));
  expect(opened).toEqual(['one', 'one']);
});
