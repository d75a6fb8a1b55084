import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { startProcess } from '../processes.ts';
import { findProgram } from '../programs.ts';
import { makeSocketDir } from '../socket-dir.ts';

/** The real docker-registry, at a UNIX socket that only the front knows. */
export interface Backing {
  readonly socketPath: string;
  /** Its `storage.filesystem.rootdirectory`. */
  readonly dataDir: string;
  /** Ends the process; what it stores stays. */
  close(): Promise<void>;
}

/** What {@link startBacking} takes. */
export interface BackingOptions {
  /** An existing folder. */
  readonly dir: string;
  /** The registry's `auth.token` settings; anyone may do anything without them. */
  readonly tokenAuth?: {
    readonly realm: string;
    readonly service: string;
    readonly issuer: string;
    readonly rootcertbundle: string;
  };
}

/**
 * Starts docker-registry and waits until it answers.
 * @throws when it is not installed or does not come up.
 * @see https://distribution.github.io/distribution/about/configuration/
 */
export async function startBacking(options: BackingOptions): Promise<Backing> {
  const command = await findProgram('docker-registry');
  if (command === undefined) throw new Error('no docker-registry: install docker-registry');

  const dataDir = join(options.dir, 'data');
  const configPath = join(options.dir, 'registry.yml');
  const socketPath = join(await makeSocketDir(options.dir, 'registry.sock'), 'registry.sock');
  await mkdir(dataDir, { recursive: true });
  await rm(socketPath, { force: true });
  const config = {
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: dataDir }, delete: { enabled: true } },
    http: { net: 'unix', addr: socketPath, secret: randomBytes(16).toString('hex') },
    ...(options.tokenAuth === undefined ? {} : { auth: { token: options.tokenAuth } }),
  };
  // JSON is YAML too.
  await writeFile(configPath, JSON.stringify(config), { mode: 0o600 });

  const registry = await startProcess({
    command,
    args: ['serve', configPath],
    logPath: join(options.dir, 'registry.log'),
    isReady: () => isAnswering(socketPath),
  });
  return {
    socketPath,
    dataDir,
    async close() {
      await registry.stop();
      if (dirname(socketPath) !== options.dir)
        await rm(dirname(socketPath), { recursive: true, force: true });
    },
  };
}

function isAnswering(socketPath: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  request({ socketPath, path: '/v2/', agent: false })
    .once('response', (response) => {
      response.resume();
      resolve(true);
    })
    .once('error', () => resolve(false))
    .end();
  return promise;
}
