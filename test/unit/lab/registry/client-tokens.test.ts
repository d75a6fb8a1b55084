import { describe, expect, it } from 'vitest';
import type { ClientToken } from '#lab/registry/client-tokens';
import { judgeLogin, toLogin } from '#lab/registry/client-tokens';

const nowMs = 1_000_000;
const token = (change: Partial<ClientToken> = {}): ReadonlyMap<string, ClientToken> =>
  new Map([
    [
      'edge',
      {
        status: 'enabled',
        scopeMap: 'all',
        passwords: { password1: { value: 'one' }, password2: { value: 'two', expiresAtMs: nowMs + 1 } },
        ...change,
      },
    ],
  ]);

describe('judgeLogin', () => {
  it.each(['one', 'two'])('accepts either password: %s', (password) => {
    expect(judgeLogin(token(), { username: 'edge', password }, nowMs).kind).toBe('accepted');
  });

  it.each([
    ['a wrong password', { username: 'edge', password: 'three' }],
    ['an unknown name', { username: 'edgy', password: 'one' }],
    ['an empty password', { username: 'edge', password: '' }],
  ])('calls %s an incorrect password', (_, login) => {
    expect(judgeLogin(token(), login, nowMs)).toEqual({ kind: 'refused', message: 'Incorrect Password' });
  });

  it('refuses a password from the moment it expires', () => {
    const login = { username: 'edge', password: 'two' };

    expect(judgeLogin(token(), login, nowMs).kind).toBe('accepted');
    expect(judgeLogin(token(), login, nowMs + 1)).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/^authentication required/) as string,
    });
  });

  it('refuses a disabled token with a good password', () => {
    const verdict = judgeLogin(token({ status: 'disabled' }), { username: 'edge', password: 'one' }, nowMs);

    expect(verdict).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/^authentication required/) as string,
    });
  });

  it('refuses a token that has no password yet', () => {
    expect(judgeLogin(token({ passwords: {} }), { username: 'edge', password: '' }, nowMs).kind).toBe(
      'refused',
    );
  });

  it('asks for a login when there is none', () => {
    expect(judgeLogin(token(), undefined, nowMs)).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/^authentication required/) as string,
    });
  });
});

describe('toLogin', () => {
  it('splits at the first colon alone', () => {
    const header = `Basic ${Buffer.from('edge:a:b').toString('base64')}`;

    expect(toLogin(header)).toEqual({ username: 'edge', password: 'a:b' });
  });

  it('finds none in a bearer token or in nothing', () => {
    expect(toLogin('Bearer abc')).toBeUndefined();
    expect(toLogin(undefined)).toBeUndefined();
  });
});
