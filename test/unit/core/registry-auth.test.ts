import { describe, expect, test } from 'vitest';
import { AgentError } from '#core/reason';
import { hideLogin, parseChallenge, parseToken, toBasic, withoutLogin } from '#core/registry-auth';
import { Secret } from '#core/secret';

describe('a challenge', () => {
  test.each([
    ['Bearer realm="https://a/t",service="s"', { kind: 'bearer', realm: 'https://a/t', service: 's' }],
    ['bearer realm=https://a/t', { kind: 'bearer', realm: 'https://a/t', service: undefined }],
    ['Basic realm="x", Bearer realm="https://a/t"', { kind: 'bearer', realm: 'https://a/t' }],
    [
      'Bearer realm="r",error="insufficient_scope"',
      { kind: 'bearer', realm: 'r', error: 'insufficient_scope' },
    ],
    ['Basic realm="registry"', { kind: 'basic' }],
    ['basic', { kind: 'basic' }],
    ['Negotiate, Basic realm="x"', { kind: 'basic' }],
  ])('is read from %s', (header, challenge) => {
    expect(parseChallenge(header)).toMatchObject(challenge);
  });

  test.each(['', 'Bearer', 'Bearer service="x"', 'Negotiate', 'Digest realm="basically"'])(
    'is none in %j',
    (header) => expect(parseChallenge(header)).toBeUndefined(),
  );
});

describe('a token', () => {
  test.each([
    ['{"access_token":"jwt","expires_in":300}', 300],
    ['{"token":"jwt","expires_in":0}', undefined],
    ['{"token":"jwt","expires_in":"soon"}', undefined],
  ])('is good for as long as %s says', (body, lifetimeSeconds) => {
    const issued = parseToken(body);
    expect(issued?.token.reveal()).toBe('jwt');
    expect(issued?.lifetimeSeconds).toBe(lifetimeSeconds);
  });
});

test('a password of any letters is written in UTF-8', () => {
  const header = toBasic({ name: 'password', username: 'gerät', password: new Secret('pä?>~€') });
  expect(Buffer.from(header.replace('Basic ', ''), 'base64').toString()).toBe('gerät:pä?>~€');
});

test('what a registry says is without the password in whatever form it travels', () => {
  const credential = { name: 'password', username: 'device', password: new Secret('Pä+?>~') } as const;
  const forms = [
    'Pä+?>~',
    'pä+?>~',
    encodeURIComponent('Pä+?>~'),
    toBasic(credential).slice('Basic '.length),
  ];
  for (const form of forms) expect(withoutLogin(`no ${form}!`, credential)).toBe('no [secret]!');
  expect(withoutLogin('no jwt!', undefined, 'Bearer jwt')).toBe('no [secret]!');
});

test('a failure is without the password where it quotes a registry, once, and its own words stay', () => {
  const quoting = new AgentError('RegistryError', 'the registry leads to registry.example', {
    quoted: ['registry.example'],
  });
  const credential = { name: 'password', username: 'device', password: new Secret('registry') } as const;
  for (let waiter = 0; waiter < 3; waiter += 1) hideLogin(quoting, credential);
  expect(quoting.message).toBe('the registry leads to [secret].example');
  const letter = { ...credential, password: new Secret('e') };
  const failed = new AgentError('RegistryError', 'the type is e', { quoted: ['e'] });
  for (let waiter = 0; waiter < 3; waiter += 1) hideLogin(failed, letter);
  expect(failed.message.length).toBeLessThan(60);
});
