import { createServer, request } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
  readonly dockerHost: string;
  readonly requests: readonly FilteredRequest[];
  stop(): Promise<void>;
}

/**
 * Starts a proxy that lets a few endpoints through to the engine and answers 403 to all else.
 * @param allowed such as `GET /images/{name}/json`, where a name may hold slashes; the first that fits counts
 */
export async function startEngineFilter(
  socketPath: string,
  allowed: readonly string[],
): Promise<EngineFilter> {
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
    const forwarded = request({ socketPath, method, path: url, headers: asked.headers, agent: false });
    forwarded.once('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
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
