import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { callSocket, listenAt } from '#lab/cli/control-socket';

async function makeDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'control-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

it('answers a line with a line, for this user alone, and leaves nothing behind', async () => {
  const dir = await makeDir();
  const path = join(dir, 'lab', 'lab.sock');
  const close = await listenAt(path, (line) => Promise.resolve(line.toUpperCase()));
  expect(await callSocket(path, 'hello')).toBe('HELLO\n');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(dir, 'lab'))).mode & 0o777).toBe(0o700);
  await close();
  expect(await callSocket(path, 'hello')).toBeUndefined();
  expect(await readdir(dir)).toEqual([]);
});

it('does not take the place of a lab that is up', async () => {
  const path = join(await makeDir(), 'lab.sock');
  const close = await listenAt(path, () => Promise.resolve('first'));
  await expect(listenAt(path, () => Promise.resolve('second'))).rejects.toThrow('it is up already');
  expect(await callSocket(path, 'who')).toBe('first\n');
  await close();
});

it('takes the place of a lab that was killed', async () => {
  const path = join(await makeDir(), 'lab.sock');
  await writeFile(path, '');
  await expect(callSocket(path, 'hello')).resolves.toBeUndefined();
  const close = await listenAt(path, () => Promise.resolve('here'));
  expect(await callSocket(path, 'hello')).toBe('here\n');
  await close();
});

it('gives an empty answer where the lab ends before it answers', async () => {
  const path = join(await makeDir(), 'lab.sock');
  const server = createServer((socket) => socket.end()).listen(path);
  onTestFinished(() => void server.close());
  expect(await callSocket(path, 'hello')).toBe('');
});
