import { formatError } from '../demo/ending.ts';
import type { SocketName } from './control-socket.ts';
import { listenAt, toSocketPath } from './control-socket.ts';
import type { FaultPart } from './faults.ts';
import { carryOut } from './orders.ts';
import type { KnownParts, Order, Parts, Reply } from './orders.ts';

/**
 * Takes orders for a lab until one of them is `stop`, or until the signal is aborted.
 * @param onReady called when orders are taken
 * @throws when another lab takes orders there
 */
export async function keep(
  name: SocketName,
  parts: Parts,
  { signal, onReady }: { readonly signal: AbortSignal; readonly onReady: () => void },
): Promise<void> {
  const { promise: told, resolve: stop } = Promise.withResolvers<void>();
  const known = { ...parts, away: new Set<FaultPart>() };
  const answer = async (line: string): Promise<string> => {
    const { order, reply } = await toReply(line, known);
    // The reply goes first.
    if (order === 'stop') setImmediate(stop);
    return JSON.stringify(reply);
  };
  const close = await listenAt(toSocketPath(name), answer);
  try {
    onReady();
    signal.addEventListener('abort', () => stop(), { once: true });
    if (!signal.aborted) await told;
  } finally {
    await close();
  }
}

async function toReply(line: string, parts: KnownParts): Promise<{ order?: Order['kind']; reply: Reply }> {
  try {
    const order = JSON.parse(line) as Order;
    return { order: order.kind, reply: { kind: 'done', value: await carryOut(order, parts) } };
  } catch (error) {
    return { reply: { kind: 'refused', why: formatError(error) } };
  }
}
