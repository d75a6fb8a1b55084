import { describe, expect, test } from 'vitest';
import { readLines, readPullMessages } from '#adapters/pull-stream';
import type { PullMessage } from '#adapters/pull-stream';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function* inChunksOf(size: number, whole: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < whole.length; start += size) yield whole.subarray(start, start + size);
}

async function toArray<T>(items: AsyncIterable<T>): Promise<T[]> {
  const array: T[] = [];
  for await (const item of items) array.push(item);
  return array;
}

const collectLines = (text: string, chunkSize = 7): Promise<string[]> =>
  toArray(readLines(inChunksOf(chunkSize, bytes(text))));

const collect = (...lines: readonly unknown[]): Promise<PullMessage[]> => {
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\r\n');
  return toArray(readPullMessages(inChunksOf(11, bytes(text))));
};

describe('lines of a stream', () => {
  test('are whole, however the bytes are cut', async () => {
    const text = 'größer\n→ 木\n\n😀 last without an end';
    for (const size of [1, 2, 3, 1000]) {
      expect(await collectLines(text, size)).toEqual(['größer', '→ 木', '😀 last without an end']);
    }
  });

  test('without any byte are none', async () => {
    expect(await collectLines('')).toEqual([]);
    expect(await collectLines('\n\r\n \n')).toEqual([]);
  });

  test('of more than a million characters are left out, and the next ones are not', async () => {
    const huge = 'x'.repeat(1_000_001);
    for (const size of [65_536, 10_000_000]) {
      const lines = await collectLines(`a\n${huge}\nb\n${huge}`, size);
      expect(lines.map((line) => line.slice(0, 9))).toEqual(['a', 'b']);
    }
  });
});

describe('messages of a pull', () => {
  const digest = `sha256:${'1e'.repeat(32)}`;

  test('say where each layer stands', async () => {
    const detail = { current: 5, total: 10 };
    const events = await collect(
      { status: 'Pulling from app', id: '1' },
      { status: 'Pulling fs layer', id: 'a', progressDetail: {} },
      { status: 'Waiting', id: 'a', progressDetail: {} },
      { status: 'Already exists', id: 'b', progressDetail: {} },
      { status: 'Downloading', id: 'a', progressDetail: detail, progress: '[==> ] 5B/10B' },
      { status: 'Retrying in 5 seconds', id: 'a', progressDetail: {} },
      { status: 'Retrying in 1 second', id: 'a', progressDetail: {} },
      { status: 'Downloading', id: 'a', progressDetail: { current: 6 } },
      { status: 'Downloading', id: 'a', progressDetail: { current: 7, total: -1 } },
      { status: 'Verifying Checksum', id: 'a', progressDetail: {} },
      { status: 'Download complete', id: 'a', progressDetail: {} },
      { status: 'Extracting', id: 'a', progressDetail: detail },
      { status: 'Extracting', id: 'a', progressDetail: { current: 1, units: 's' } },
      { status: 'Pull complete', id: 'a', progressDetail: {} },
    );
    expect(events.map((message) => message.kind === 'layer' && [message.layerId, message.event])).toEqual([
      ['a', { kind: 'waiting' }],
      ['a', { kind: 'waiting' }],
      ['b', { kind: 'present' }],
      ['a', { kind: 'downloading', currentBytes: 5, totalBytes: 10 }],
      ['a', { kind: 'retrying' }],
      ['a', { kind: 'retrying' }],
      ['a', { kind: 'downloading', currentBytes: 6 }],
      ['a', { kind: 'downloading', currentBytes: 7 }],
      ['a', { kind: 'downloaded' }],
      ['a', { kind: 'downloaded' }],
      ['a', { kind: 'extracting', current: 5, total: 10 }],
      ['a', { kind: 'extracting', current: 1 }],
      ['a', { kind: 'pulled' }],
    ]);
  });

  test('name the digest, whatever follows the final status', async () => {
    const messages = await collect(
      { status: `Digest: ${digest}` },
      { status: 'Status: Downloaded newer image for 127.0.0.1:5000/app:1' },
      { status: 'WARNING: image with reference app was found but its platform does not match' },
    );
    expect(messages).toEqual([{ kind: 'digest', digest }]);
  });

  test('tell an error, in the words of its detail', async () => {
    expect(
      await collect({ error: 'short', errorDetail: { code: 1, message: 'long' } }, { error: 'alone' }),
    ).toEqual([
      { kind: 'error', text: 'long' },
      { kind: 'error', text: 'alone' },
    ]);
  });

  test('go on after lines that are no JSON object', async () => {
    expect(
      await collect('<html>502</html>', '5', 'null', '"x"', '[]', { status: `Digest: ${digest}` }),
    ).toEqual([{ kind: 'digest', digest }]);
  });
});
