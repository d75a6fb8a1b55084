import { startEngineFilter } from '#lab/engine/filter';
import type { EngineFilter } from '#lab/engine/filter';

const ENDPOINTS = [
  'GET /images/json',
  'GET /images/{name}/json',
  'GET /distribution/{name}/json',
  'POST /images/create',
  'POST /auth',
  'GET /{any}',
  'POST /{any}',
  'DELETE /{any}',
];

/** Lets everything through to an engine, and sees what is asked. */
export const startCounter = (dockerHost: string): Promise<EngineFilter> =>
  startEngineFilter(dockerHost, ENDPOINTS);

/** How often each endpoint was asked since the first `from` requests, the most first. */
export function countRequests({ requests }: EngineFilter, from = 0): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { method, path, endpoint } of requests.slice(from)) {
    const name = endpoint?.endsWith('/{any}') === false ? endpoint : `${method} ${path}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return new Map([...counts].toSorted((a, b) => b[1] - a[1]));
}
