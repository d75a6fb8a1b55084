import { setTimeout as delay } from 'node:timers/promises';
import { isRunning } from '../demo/is-running.ts';
import { callSocket, SOCKET_NAMES, toSocketPath } from './control-socket.ts';
import type { SocketName } from './control-socket.ts';
import { commandError } from './errors.ts';
import type { Order, Reply } from './orders.ts';

const STOP_DEADLINE_MS = 60_000;

/**
 * Gives an order to the whole lab or, when there is none, to a part that was started alone.
 * @throws when neither is up, or when the order is refused
 */
export async function ask(part: SocketName, order: Order): Promise<unknown> {
  for (const name of new Set<SocketName>(['lab', part])) {
    const reply = await send(name, order);
    if (reply?.kind === 'refused') throw commandError('failed', reply.why);
    if (reply !== undefined) return reply.value;
  }
  throw commandError('notUp', 'nothing is up (of this user): npm run lab -- up');
}

/** Stops everything that is up and waits until it is gone; gives the number of processes that it was. */
export async function stopAll(): Promise<number> {
  const replies = await Promise.all(SOCKET_NAMES.map((name) => send(name, { kind: 'stop' })));
  const pids = replies.flatMap((reply) =>
    reply?.kind === 'done' ? [(reply.value as { readonly pid: number }).pid] : [],
  );
  const deadlineMs = Date.now() + STOP_DEADLINE_MS;
  while (pids.some(isRunning)) {
    if (Date.now() > deadlineMs) throw commandError('failed', 'it does not end');
    await delay(50);
  }
  return pids.length;
}

async function send(name: SocketName, order: Order): Promise<Reply | undefined> {
  const answer = await callSocket(toSocketPath(name), JSON.stringify(order));
  return answer === undefined || answer === '' ? undefined : (JSON.parse(answer) as Reply);
}
