import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnectionCuts } from './connection-cuts.ts';
import { createBlobCuts } from './blob-cuts.ts';
import type { RegistryFaults } from './faults.ts';
import type { OpenRequest } from './request-log.ts';
import type { Target } from './targets.ts';
import { createThrottle, pieceBytes } from './throttle.ts';
import type { Throttle } from './throttle.ts';

/** How bytes leave the registry: as fast, as whole and as true as the switches say. */
export interface Delivery {
  /** Waits while the switches hold answers back. Rejects when the client goes away. */
  hold(target: Target, signal: AbortSignal): Promise<void>;
  /** A body on its way to the client. Throws where the connection is to break. */
  shape(body: AsyncIterable<Buffer>, parcel: Parcel): AsyncGenerator<Buffer>;
}

/** Where a body goes. */
export interface Parcel {
  readonly target: Target;
  readonly record: OpenRequest;
  readonly response: ServerResponse;
  /** Of the whole body; 0 where that is not known. */
  readonly bodyBytes: number;
  readonly signal: AbortSignal;
}

/** The delivery of one registry. */
export function createDelivery(faults: Readonly<RegistryFaults>): Delivery {
  const shared = createThrottle();
  const blobCuts = createBlobCuts(faults);
  const connections = new WeakMap<Socket, Throttle>();
  const cuts = createConnectionCuts<Socket>();

  const connectionThrottle = (socket: Socket) => {
    const throttle = connections.get(socket) ?? createThrottle();
    connections.set(socket, throttle);
    return throttle;
  };
  const toConnectionCut = ({ response, bodyBytes }: Parcel) => {
    const { cutConnections } = faults;
    if (cutConnections === undefined || response.socket === null) return Infinity;
    if (!cuts.take(response.socket, cutConnections)) return Infinity;
    return Math.floor(bodyBytes / 2);
  };
  const waitWhile = async (isHeld: () => boolean, signal: AbortSignal) => {
    while (isHeld()) await delay(20, undefined, { signal });
  };
  const pace = async (bytes: number, parcel: Parcel) => {
    const { bytesPerSecond, totalBytesPerSecond } = faults;
    const { socket } = parcel.response;
    const nowMs = performance.now();
    const delayMs = Math.max(
      bytesPerSecond === undefined || socket === null
        ? 0
        : connectionThrottle(socket).delayMs(bytes, bytesPerSecond, nowMs),
      totalBytesPerSecond === undefined ? 0 : shared.delayMs(bytes, totalBytesPerSecond, nowMs),
    );
    if (delayMs > 0) await delay(delayMs, undefined, { signal: parcel.signal });
  };

  return {
    async hold(target, signal) {
      if (faults.latencyMs > 0) await delay(faults.latencyMs, undefined, { signal });
      await waitWhile(() => faults.hang || (faults.tokenHangs && target.kind === 'token'), signal);
    },

    async *shape(body, parcel) {
      const { target, record } = parcel;
      const isBlob = target.kind === 'blob';
      const connectionCut = toConnectionCut(parcel);
      const cutsBefore = blobCuts.count();
      for await (const chunk of body) {
        let rest = chunk;
        while (rest.length > 0) {
          await waitWhile(() => faults.hang, parcel.signal);
          const ownRoom = Math.min(toCut(faults, target), connectionCut) - record.bytes;
          const room = Math.min(ownRoom, isBlob ? blobCuts.room() : Infinity);
          if (room <= 0 || (isBlob && blobCuts.count() !== cutsBefore)) {
            await flush(parcel);
            throw new Error('the connection is cut');
          }
          const rate = Math.min(faults.bytesPerSecond ?? Infinity, faults.totalBytesPerSecond ?? Infinity);
          const piece = rest.subarray(0, Math.min(pieceBytes(rate), room));
          rest = rest.subarray(piece.length);
          if (isBlob) blobCuts.note(piece.length);
          await pace(piece.length, parcel);
          const isCorrupt = isBlob && [target.digest, 'any'].includes(faults.corruptBlob ?? '');
          const sent = isCorrupt ? corrupt(piece, faults.corruptAtByte - record.bytes) : piece;
          record.bytes += piece.length;
          yield sent;
        }
      }
    },
  };
}

function corrupt(piece: Buffer, at: number): Buffer {
  const copy = Buffer.from(piece);
  if (at >= 0 && at < copy.length) copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

/** After how many bytes the connection breaks. */
function toCut({ cutBlobAfterBytes: cut }: Readonly<RegistryFaults>, target: Target): number {
  if (target.kind !== 'blob' || cut === undefined) return Infinity;
  return typeof cut === 'number' ? cut : (cut.get(target.digest) ?? Infinity);
}

/** What was promised before the cut shall arrive. */
async function flush(parcel: Parcel): Promise<void> {
  while (parcel.response.writableLength > 0) await delay(5, undefined, { signal: parcel.signal });
}
