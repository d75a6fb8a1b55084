import { describe, expect, test } from 'vitest';
import { createIdentity, findLoginFault, sign } from '#lab/edge/identity';
import type { Login } from '#lab/edge/identity';

const identity = createIdentity({ hubHost: 'hub.example', deviceId: 'd', moduleId: 'm' });
const NOW_MS = 1_800_000_000_000;
const resource = encodeURIComponent('hub.example/devices/d/modules/m');

function token(expirySeconds: number, signedResource = resource): string {
  const signature = sign(identity, `${signedResource}\n${expirySeconds}`).toString('base64');
  return `SharedAccessSignature sr=${signedResource}&sig=${encodeURIComponent(signature)}&se=${expirySeconds}`;
}

const good: Login = {
  clientId: 'd/m',
  username: 'hub.example/d/m/?api-version=2021-04-12&DeviceClientType=x%2Fy',
  password: token(NOW_MS / 1000 + 1),
};

test('a module with a token that is signed and valid is let in', () => {
  expect(findLoginFault(identity, good, NOW_MS)).toBeUndefined();
});

describe('refused is', () => {
  test.each<[string, Partial<Login>]>([
    ['another client id', { clientId: 'd' }],
    ['another hub', { username: 'other.example/d/m/?api-version=1' }],
    ['another module', { username: 'hub.example/d/n/?api-version=1' }],
    ['a user name without api-version', { username: 'hub.example/d/m/?DeviceClientType=x' }],
    ['an empty user name', { username: '' }],
    ['a password that is no token', { password: 'secret' }],
    ['a token that expires now', { password: token(NOW_MS / 1000) }],
    [
      'a token for another module',
      { password: token(NOW_MS / 1000 + 1, encodeURIComponent('hub.example/devices/d/modules/n')) },
    ],
    ['a token whose expiry was moved', { password: good.password.replace(/se=\d+/, 'se=9999999999') }],
    ['a token with another signature', { password: good.password.replace(/sig=[^&]+/, 'sig=AAAA') }],
  ])('%s', (_, change) => {
    expect(findLoginFault(identity, { ...good, ...change }, NOW_MS)).toEqual(expect.any(String));
  });

  test('without any of the password in the reason', () => {
    const fault = findLoginFault(identity, { ...good, password: 'hunter2' }, NOW_MS);
    expect(fault).not.toContain('hunter2');
  });
});
