import type { LayerEvent } from '#core/progress';

/** What one line of the engine's answer to a pull says; lines that say nothing to us give none. */
export type PullMessage =
  | { readonly kind: 'layer'; readonly layerId: string; readonly event: LayerEvent }
  /** The manifest digest that the registry served. */
  | { readonly kind: 'digest'; readonly digest: string }
  /** The pull failed, whatever was said before and comes after. */
  | { readonly kind: 'error'; readonly text: string };

interface PullLine {
  readonly id?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string };
}

/** The engine writes some hundred characters a line; what is longer comes from elsewhere and is skipped. */
const MAX_LINE_LENGTH = 1_000_000;

/** Splits a stream of UTF-8 into lines, without empty ones. A line of more than a million characters is left out. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let line = '';
  let isTooLong = false;
  for await (const chunk of chunks) {
    for (const [index, piece] of decoder.decode(chunk, { stream: true }).split('\n').entries()) {
      if (index > 0) {
        if (line.trim() !== '') yield line;
        line = '';
        isTooLong = false;
      }
      isTooLong ||= line.length + piece.length > MAX_LINE_LENGTH;
      line = isTooLong ? '' : line + piece;
    }
  }
  if (line.trim() !== '') yield line;
}

/** Reads the engine's answer to a pull. A line that is no JSON is left out: the outcome is what an inspect shows. */
export async function* readPullMessages(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<PullMessage> {
  for await (const line of readLines(chunks)) {
    const message = toPullMessage(line);
    if (message !== undefined) yield message;
  }
}

function toPullMessage(line: string): PullMessage | undefined {
  const parsed = parseLine(line);
  if (parsed === undefined) return undefined;
  const { id, status = '', error, errorDetail } = parsed;
  const text = errorDetail?.message ?? error;
  if (text !== undefined) return { kind: 'error', text };
  const digest = /^Digest: (sha256:[0-9a-f]{64})$/.exec(status)?.[1];
  if (digest !== undefined) return { kind: 'digest', digest };
  const event = id === undefined ? undefined : toLayerEvent(status, parsed.progressDetail ?? {});
  return id === undefined || event === undefined ? undefined : { kind: 'layer', layerId: id, event };
}

function parseLine(line: string): PullLine | undefined {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The engine's words for where a layer stands.
 *
 * @see https://github.com/moby/moby/blob/v20.10.24/distribution/xfer/download.go
 */
function toLayerEvent(
  status: string,
  { current = 0, total }: NonNullable<PullLine['progressDetail']>,
): LayerEvent | undefined {
  // The containerd store counts the seconds of an extraction, and says no total then.
  const isTotalKnown = total !== undefined && total > 0;
  switch (status) {
    case 'Pulling fs layer':
    case 'Waiting':
      return { kind: 'waiting' };
    case 'Downloading':
      return {
        kind: 'downloading',
        currentBytes: current,
        ...(isTotalKnown ? { totalBytes: total } : {}),
      };
    case 'Verifying Checksum':
    case 'Download complete':
      return { kind: 'downloaded' };
    case 'Extracting':
      return { kind: 'extracting', current, ...(isTotalKnown ? { total } : {}) };
    case 'Pull complete':
      return { kind: 'pulled' };
    case 'Already exists':
      return { kind: 'present' };
    default:
      return status.startsWith('Retrying in ') ? { kind: 'retrying' } : undefined;
  }
}
