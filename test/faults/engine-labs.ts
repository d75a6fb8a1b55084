import { execFile } from 'node:child_process';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Engine, EngineOptions } from '#lab/engine/engine';
import { startTestEngine } from '#test/engine-under-test';
import type { Stage, StageOptions } from './stage.ts';

const run = promisify(execFile);

/** Where the module of {@link boundSocketLab} looks for the engine. */
export const toBoundSocket = ({ dir }: Pick<Stage, 'dir'>): string => join(dir, 'bound.sock');

/**
 * The module reaches the engine by a path of its own, as a socket that is bound into a container, and has no
 * capabilities, as the deployment template says: being root opens nothing to it.
 */
export const boundSocketLab: StageOptions = {
  launcher: ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', '--'],
  async startEngine(options) {
    const engine = await startTestEngine(options);
    const path = toBoundSocket(options);
    await symlink(engine.socketPath, path);
    return Object.assign(engine, { dockerHost: `unix://${path}` });
  },
};

/** The engine keeps everything on a disk of so many bytes, at `<lab>/data`. Wants a mount namespace. */
export const smallDiskLab = (sizeBytes: number, settings: StageOptions['settings']): StageOptions => ({
  ...(settings === undefined ? {} : { settings }),
  async startEngine(options) {
    const dataRoot = join(options.dir, 'data');
    await mkdir(dataRoot);
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', dataRoot]);
    // What is mounted below its folder the engine's end takes away.
    return startTestEngine(options);
  },
});

/** The engine's events never come through, and everything else does. */
export const deafLab = (base: StageOptions): StageOptions => ({ ...base, startEngine: startDeafEngine });

async function startDeafEngine(options: EngineOptions): Promise<Engine> {
  const engine = await startTestEngine(options);
  const path = join(options.dir, 'deaf.sock');
  const proxy = createServer((asked, answer) => {
    const { method, url = '', headers } = asked;
    if (url.includes('/events')) {
      answer.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      return;
    }
    const forwarded = request({ socketPath: engine.socketPath, method, path: url, headers, agent: false });
    forwarded.once('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    forwarded.once('error', () => answer.destroy());
    answer.once('close', () => forwarded.destroy());
    asked.pipe(forwarded);
  });
  await new Promise<void>((resolve) => proxy.listen(path, resolve));
  const { stop } = engine;
  return Object.assign(engine, {
    dockerHost: `unix://${path}`,
    async stop() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await rm(path, { force: true });
      await stop();
    },
  });
}
