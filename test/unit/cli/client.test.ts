import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createCall, NoModule } from '#cli/client';
import type { Call } from '#cli/client';

/** A module that answers as the test has it. */
async function startModule(answer: RequestListener): Promise<{ call: Call; socketPath: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'client-'));
  const socketPath = join(folder, 'control.sock');
  const server = createServer(answer).listen(socketPath);
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  return { call: createCall(socketPath), socketPath };
}

async function failureOf(call: Promise<unknown>): Promise<Error> {
  const failure = await call.catch((error: unknown) => error);
  if (failure instanceof Error) return failure;
  throw new Error('it did not fail');
}

/** Sockets' patience is a thousand times shorter. @returns how long they were asked to have it, in milliseconds */
function hasten(): ReadonlySet<number> {
  const asked = new Set<number>();
  const { setTimeout } = Socket.prototype;
  const spy = vi.spyOn(Socket.prototype, 'setTimeout').mockImplementation(function shorten(
    this: Socket,
    timeoutMs: number,
    ...rest: unknown[]
  ) {
    asked.add(timeoutMs);
    return Reflect.apply(setTimeout, this, [timeoutMs / 1000, ...rest]) as Socket;
  });
  onTestFinished(() => spy.mockRestore());
  return asked;
}

/** Calls as one who may not open the socket: as another user, or where that takes more rights, with none to it. */
async function callBarred<T>(socketPath: string, call: () => Promise<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0;
  await chmod(socketPath, isRoot ? 0o600 : 0);
  // Root may open any.
  if (isRoot) process.seteuid?.(65_534);
  // It is connected at once, or not at all.
  const calling = call();
  if (isRoot) process.seteuid?.(0);
  try {
    return await calling;
  } finally {
    await chmod(socketPath, 0o600);
  }
}

describe('a call of the module', () => {
  it.each<[string, string, RequestListener]>([
    ['says nothing', 'no answer within 30 s', () => undefined],
    [
      'stops in the middle of its answer',
      'aborted',
      (_, response) => void response.writeHead(200).write('{"a":'),
    ],
  ])('ends after half a minute in which it %s, in words that say where', async (_, words, answer) => {
    const { call, socketPath } = await startModule(answer);
    const asked = hasten();
    const failure = await failureOf(call('GetStatus'));
    expect(failure).toBeInstanceOf(NoModule);
    expect(failure.message).toBe(`The module does not answer at ${socketPath}: ${words}`);
    expect(asked).toContain(30_000);
  });

  it('by another user says whom to call as', async () => {
    const { call, socketPath } = await startModule((_, response) => response.end('{}'));
    await chmod(join(socketPath, '..'), 0o755);
    const failure = await failureOf(callBarred(socketPath, () => call('ping')));
    expect(failure).toBeInstanceOf(NoModule);
    expect(failure.message).toBe('Only the user that the module runs as can speak to it: leave --user out.');
    expect(await call('ping')).toEqual({ status: 200, payload: {} });
  });

  it.each<[string, RequestListener]>([
    ['is no JSON', (_, response) => response.end('<html>')],
    ['breaks off', (_, response) => response.writeHead(200).write('{', () => response.destroy())],
    ['does not come', (_, response) => response.destroy()],
  ])('whose answer %s fails, in words that say where', async (_, answer) => {
    const { call, socketPath } = await startModule(answer);
    const failure = await failureOf(call('ping'));
    expect(failure).toBeInstanceOf(NoModule);
    expect(failure.message).toContain(`The module does not answer at ${socketPath}: `);
  });
});
