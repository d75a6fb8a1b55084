import { SourceMap } from 'node:module';
import type { SourceMapPayload } from 'node:module';
import { toOwner, toSource } from './cpu-profile.ts';

/** What `--heap-prof` writes: who allocated what is still in use. */
export interface HeapProfile {
  readonly head: HeapNode;
}

interface HeapNode {
  readonly callFrame: { readonly url: string; readonly lineNumber: number; readonly columnNumber: number };
  readonly selfSize: number;
  readonly children: readonly HeapNode[];
}

/** Bytes that one party's code allocated and that are still in use. */
export interface Allocation {
  readonly owner: string;
  readonly bytes: number;
}

/** By whose code it is, the most first. */
export function sumAllocations({ head }: HeapProfile, map: SourceMapPayload): Allocation[] {
  const sources = new SourceMap(map);
  const owners = new Map<string, number>();
  const add = ({ callFrame, selfSize, children }: HeapNode): void => {
    const { url, lineNumber, columnNumber } = callFrame;
    const owner = toOwner(url.endsWith('main.js') ? toSource(sources, lineNumber, columnNumber) : url);
    owners.set(owner, (owners.get(owner) ?? 0) + selfSize);
    for (const child of children) add(child);
  };
  add(head);
  return [...owners].map(([owner, bytes]) => ({ owner, bytes })).toSorted((a, b) => b.bytes - a.bytes);
}
