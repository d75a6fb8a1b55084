import { readFileSync } from 'node:fs';
import { startEngineFilter } from '#lab/engine/filter';
import type { EngineFilter } from '#lab/engine/filter';

/** The requests to the engine that the table of docs/security.md allows. */
export function readEndpoints(): string[] {
  const text = readFileSync('docs/security.md', 'utf8');
  return Array.from(text.matchAll(/^\| `((?:GET|POST|DELETE) [^`]+)`/gm), ([, endpoint = '']) => endpoint);
}

/** Starts a filter before an engine that lets through what docs/security.md lists, and nothing else. */
export const startDocumentedFilter = (dockerHost: string): Promise<EngineFilter> =>
  startEngineFilter(dockerHost, readEndpoints());
