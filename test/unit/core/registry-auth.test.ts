import { describe, expect, test } from 'vitest';
import { parseChallenge, parseToken, toBasic, withoutLogin } from '#core/registry-auth';
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
