import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { serveControl } from '#adapters/control-server';
import type { MethodHandlers } from '#agent/ports';
import { createCall, NoModule } from '#cli/client';
import { toControlPath } from '#core/control-path';

/** A place of its own, and what is logged by whoever serves there. */
function makePlace() {
  const base = mkdtempSync(join(tmpdir(), 'control-'));
  onTestFinished(() => rmSync(base, { recursive: true }));
  const logs: string[] = [];
  const note = (fields: object, message: string): void =>
    void logs.push(`${message} ${JSON.stringify(fields)}`);
  const place = toControlPath({ XDG_RUNTIME_DIR: base });
  return {
    ...place,
    logs,
    call: createCall(place.socket),
    async serve(methods: MethodHandlers = {}) {
      const end = await serveControl({
        ...place,
        methods,
        log: { debug: note, info: note, warn: note, error: note },
      });
      onTestFinished(end);
      return end;
    },
  };
}

/** A caller with words of its own. */
function connectTo(path: string) {
  const { promise, resolve } = Promise.withResolvers<string>();
  let heard = '';
  const socket = connect(path)
    .on('data', (chunk) => (heard += String(chunk)))
    .on('error', () => undefined)
    .on('close', () => resolve(heard));
  onTestFinished(() => void socket.destroy());
  return {
    write: (text: string) => void socket.write(text),
    /** All that came, once the connection has ended. */
    heard: promise,
  };
}

it('is found in the container’s own memory, unless there is a folder for such things', () => {
  expect(toControlPath({}).socket).toBe('/dev/shm/connected-registry-puller/control.sock');
  expect(toControlPath({ XDG_RUNTIME_DIR: '' }).folder).toBe('/dev/shm/connected-registry-puller');
  expect(toControlPath({ XDG_RUNTIME_DIR: '/run/user/1000' }).folder).toBe(
    '/run/user/1000/connected-registry-puller',
  );
});

describe('the socket of the command line', () => {
  it('hands payloads to the methods, and their answers back', async () => {
    const { serve, call } = makePlace();
    await serve({
      Echo: async (payload) => ({ status: 202, payload: { payload } }),
      Break: async () => Promise.reject(new Error('broken')),
    });
    expect(await call('Echo', { text: 'é', list: [1] })).toEqual({
      status: 202,
      payload: { payload: { text: 'é', list: [1] } },
    });
    expect(await call('Unheard')).toMatchObject({ status: 404 });
    expect(await call('toString')).toMatchObject({ status: 404 });
    expect(await call('Break')).toMatchObject({ status: 500, payload: { message: 'broken' } });
    expect(await call('Echo', { long: 'x'.repeat(200_000) })).toMatchObject({ status: 400 });
  });

  it('calls nothing for whoever only looks', async () => {
    const { serve, socket } = makePlace();
    let calls = 0;
    await serve({
      async CancelPulls() {
        calls += 1;
        return { status: 200, payload: {} };
      },
    });
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      const asked = request({ socketPath: socket, path: '/CancelPulls', method, agent: false }).end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      response.resume();
      expect([method, response.statusCode]).toEqual([method, 404]);
    }
    expect(calls).toBe(0);
  });

  it('drops whoever speaks no HTTP without a word, and has room for others then', async () => {
    const { serve, socket, call } = makePlace();
    await serve({ ping: async () => ({ status: 200, payload: {} }) });
    // More than it has room for at once.
    for (let count = 0; count < 20; count += 1) {
      const caller = connectTo(socket);
      caller.write('what is this?\r\n\r\n');
      expect(await caller.heard).toBe('');
    }
    expect(await call('ping')).toMatchObject({ status: 200 });
  });

  it('ends though somebody is still calling, or has only begun to', async () => {
    const { serve, socket, call } = makePlace();
    const called = Promise.withResolvers<void>();
    const end = await serve({
      async wait() {
        called.resolve();
        return await new Promise<never>(() => undefined);
      },
    });
    const waiting = call('wait').catch((error: unknown) => error);
    const beginning = connectTo(socket);
    beginning.write('POST /wait HTTP/1.1\r\nContent-Length: 100\r\n');
    await called.promise;
    await end();
    expect(await waiting).toBeInstanceOf(NoModule);
    expect(await beginning.heard).toBe('');
  });

  it('can be opened by its own user alone', async () => {
    const { serve, folder, socket } = makePlace();
    await serve();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
  });

  it('takes the place of one that a module left that was killed', async () => {
    const { serve, folder, socket, call } = makePlace();
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(socket, '');
    await serve({ ping: async () => ({ status: 200, payload: {} }) });
    expect(await call('ping')).toMatchObject({ status: 200 });
  });

  it('stays with the module that listens there', async () => {
    const { serve, call, logs } = makePlace();
    await serve({ ping: async () => ({ status: 200, payload: { first: true } }) });
    const endSecond = await serve({ ping: async () => ({ status: 200, payload: { first: false } }) });
    expect(logs.join()).toContain('another module listens there');
    expect(await call('ping')).toMatchObject({ payload: { first: true } });
    await endSecond();
    expect(await call('ping')).toMatchObject({ payload: { first: true } });
  });

  it('is not disturbed by a connection that could not be taken', async () => {
    const servers: Server[] = [];
    const { listen } = Server.prototype;
    const spy = vi.spyOn(Server.prototype, 'listen').mockImplementation(function note(
      this: Server,
      ...args: unknown[]
    ) {
      servers.push(this);
      return Reflect.apply(listen, this, args) as Server;
    });
    onTestFinished(() => spy.mockRestore());
    const { serve, call } = makePlace();
    await serve({ ping: async () => ({ status: 200, payload: {} }) });
    servers[0]?.emit('error', new Error('accept EMFILE'));
    expect(await call('ping')).toMatchObject({ status: 200 });
  });

  it.each<[string, (folder: string) => void]>([
    [
      'others can look into',
      (folder) => {
        mkdirSync(folder);
        chmodSync(folder, 0o755);
      },
    ],
    ['is a link to elsewhere', (folder) => symlinkSync(tmpdir(), folder)],
    ['is a file', (folder) => writeFileSync(folder, '')],
  ])('is not put into a folder that %s, and the log says so', async (_, prepare) => {
    const { serve, folder, call, logs } = makePlace();
    prepare(folder);
    await serve();
    expect(logs.join()).toContain('the module works without it');
    await expect(call('ping')).rejects.toThrow(NoModule);
  });

  it('is missed, in words that say where to look, when no module runs', async () => {
    const { serve, call, socket } = makePlace();
    await expect(call('ping')).rejects.toThrow(`nobody listens at ${socket}`);
    const end = await serve();
    await end();
    await expect(call('ping')).rejects.toThrow('does not run');
  });
});
