import { expect, it } from 'vitest';
import { findSecrets } from './secrets.ts';

const SECRET = 'p?/+ä"word-';

it.each([
  ['as it is', `{"a":"${SECRET}"}`],
  ['in a URL', `http://x/?p=${encodeURIComponent(SECRET)}`],
  ['in JSON', JSON.stringify({ password: SECRET })],
  ['after a user name in base64', Buffer.from(`user:${SECRET}`).toString('base64')],
  ['after a shorter user name in base64', Buffer.from(`use:${SECRET}!`).toString('base64')],
  ['in base64 for URLs', Buffer.from(`x${SECRET}`).toString('base64url')],
])('a secret is found %s', (_where, text) => {
  expect(findSecrets({ log: text, report: 'password' }, ['other', SECRET])).toEqual(['log: secret 2']);
});
