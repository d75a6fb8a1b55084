import { SourceMap } from 'node:module';
import type { SourceMapPayload } from 'node:module';

/** What `--cpu-prof` writes. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** Microseconds, by the machine's monotonic clock. */
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
}

/** Time in one function, without what it called. */
export interface SelfTime {
  readonly name: string;
  /** The file that it stands in: `src/core/plan.ts`, `node_modules/…`, `node:…`; empty for V8's own. */
  readonly file: string;
  readonly ms: number;
}

/** Where the time went from a moment on, the most first; waiting is left out. */
export function toSelfTimes(profile: CpuProfile, map: SourceMapPayload, fromMicros: number): SelfTime[] {
  const sources = new SourceMap(map);
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, SelfTime>();
  let atMicros = profile.startTime;
  for (const [index, id] of profile.samples.entries()) {
    const deltaMicros = profile.timeDeltas[index] ?? 0;
    atMicros += deltaMicros;
    const frame = frames.get(id);
    if (frame === undefined || atMicros < fromMicros || frame.functionName === '(idle)') continue;
    const { functionName, url, lineNumber, columnNumber } = frame;
    const file = url.endsWith('main.js') ? toSource(sources, lineNumber, columnNumber) : url;
    const name = functionName || `(anonymous, line ${lineNumber + 1})`;
    const key = `${name} ${file}`;
    times.set(key, { name, file, ms: (times.get(key)?.ms ?? 0) + deltaMicros / 1000 });
  }
  return [...times.values()].toSorted((a, b) => b.ms - a.ms);
}

/** The file that a place of the bundle comes from. */
export function toSource(sources: SourceMap, line: number, column: number): string {
  const entry = sources.findEntry(line, column);
  return 'originalSource' in entry
    ? entry.originalSource.replace(/^.*?(?=src\/|node_modules\/)/, '')
    : 'the bundle';
}

/** Whose code a file is. */
export function toOwner(file: string): string {
  if (file === '') return 'V8: garbage collection, native code';
  if (file.startsWith('node:')) return 'Node.js';
  const [, scope] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file) ?? [];
  if (scope !== undefined) return scope;
  const [, room] = /src\/(\w+)\//.exec(file) ?? [];
  return room === undefined ? 'src' : `src/${room}`;
}
