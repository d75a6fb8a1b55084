import { createServer, request } from 'node:http';
import { chmod, chown, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DockerHost } from './engine-api.ts';
import { toAddress } from './engine-api.ts';

/** A request that a filter saw. */
export interface FilteredRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** Which of the allowed endpoints it is; `undefined` for one that was refused. */
  readonly endpoint: string | undefined;
}

/** A proxy before an engine. */
export interface EngineFilter {
  readonly dockerHost: DockerHost;
  readonly requests: readonly FilteredRequest[];
  stop(): Promise<void>;
}

/**
 * Starts a proxy that lets a few endpoints through to the engine and answers 403 to all else.
 * @param allowed such as `GET /images/{name}/json`, where a name may hold slashes; the first that fits counts
 */
export async function startEngineFilter(
  dockerHost: DockerHost,
  allowed: readonly string[],
): Promise<EngineFilter> {
  const address = toAddress(dockerHost);
  const dir = await mkdtemp(join(tmpdir(), 'filter-'));
  const endpoints = allowed.map((endpoint) => ({ endpoint, pattern: toPattern(endpoint) }));
  const requests: FilteredRequest[] = [];
  const server = createServer((asked, answer) => {
    const { method = '', url = '' } = asked;
    const [path = ''] = url.split('?');
    const endpoint = endpoints.find(({ pattern }) => pattern.test(`${method} ${path}`))?.endpoint;
    requests.push({ method, path, endpoint });
    if (endpoint === undefined) {
      answer
        .writeHead(403, { 'content-type': 'application/json' })
        .end('{"message":"refused by the filter"}');
      return;
    }
    const forwarded = request({
      ...address,
      method,
      path: url,
      headers: asked.headers,
      agent: false,
    });
    forwarded.once('response', (response) => {
      // Events may be long in coming; that they will is known at once.
      answer.writeHead(response.statusCode ?? 502, response.headers).flushHeaders();
      response.pipe(answer);
      response.once('error', () => answer.destroy());
    });
    forwarded.once('error', () => answer.destroy());
    // Whoever gives up a pull ends it for the engine too.
    answer.once('close', () => forwarded.destroy());
    asked.pipe(forwarded);
  });
  const listenPath = join(dir, 'docker.sock');
  await new Promise<void>((resolve) => server.listen(listenPath, resolve));
  if ('socketPath' in address) {
    // Whoever may use the engine may use the filter.
    const { uid, gid, mode } = await stat(address.socketPath);
    await chown(listenPath, uid, gid);
    await chmod(listenPath, mode & 0o777);
  }
  return {
    dockerHost: `unix://${listenPath}`,
    requests,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function toPattern(endpoint: string): RegExp {
  const escaped = endpoint.replaceAll(/[.*+?^$()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll(/\{\w+\}/g, '.+')}$`);
}
