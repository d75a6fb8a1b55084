import { NoModule } from '#cli/client';
import type { Answer, Call } from '#cli/client';
import type { StatusDocument } from '#cli/documents';
import { toLack, toWords } from '#cli/in-force';

/** What a command works with. */
export interface Session {
  readonly call: Call;
  /** Writes to the standard output. */
  readonly write: (text: string) => void;
  /** Whether a person watches, and the screen can be written over. */
  readonly isTerminal: boolean;
  /** Milliseconds since 1970, as far as the machine knows; it may jump. */
  readonly nowMs: () => number;
  /** Milliseconds since some moment; never jumps. */
  readonly steadyMs: () => number;
  readonly sleep: (delayMs: number) => Promise<void>;
  /** Of this program. */
  readonly version: string;
}

/** How a command ends: its exit code. */
export const EXIT = { well: 0, notWell: 1, usage: 2, noModule: 3 } as const;

/** The module refused, in its own words. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly exitCode: number;
  /** HTTP-like. */
  readonly status: number;

  constructor({ status, payload }: Answer) {
    super(typeof payload['message'] === 'string' ? payload['message'] : `The module answered ${status}.`);
    this.status = status;
    // What was asked for does not exist or makes no sense; anything else is how things are.
    this.exitCode = status === 400 || status === 404 ? EXIT.usage : EXIT.notWell;
  }
}

/** Calls a method. @throws Refused for any answer but 2xx, and NoModule */
export async function ask<T>({ call }: Session, method: string, payload?: object): Promise<T> {
  const answer = await call(method, payload);
  if (answer.status < 200 || answer.status > 299) throw new Refused(answer);
  return answer.payload as T;
}

/** The status but for the images and registries, of which it has a first page. */
export const askHead = (session: Session): Promise<StatusDocument> => ask(session, 'GetStatus');

/** While no desired properties are in force there is nothing to work on, and that is no good end. */
export class NotInForce extends Error {
  override readonly name = 'NotInForce';
}

/**
 * Calls a method that works on what is desired.
 *
 * @throws NotInForce where it refuses for want of desired properties; else as `ask`
 */
export async function askOfDesired<T>(session: Session, method: string, payload: object): Promise<T> {
  try {
    return await ask<T>(session, method, payload);
  } catch (error) {
    if (error instanceof Refused && error.status === 503) await checkInForce(session);
    throw error;
  }
}

async function checkInForce(session: Session): Promise<void> {
  const status = await askHead(session);
  const lack = toLack(status);
  // An engine that does not answer is told better by whoever refused.
  if (lack === undefined || lack === 'unseen') return;
  const { description = '' } = status.lastDesiredStatus ?? {};
  throw new NotInForce(`Not done: ${toWords(lack)}${description === '' ? '' : ` (${description})`}.`);
}

/** What to say of an error, and the exit code; undefined for a fault of this program. */
export function toEnding(
  error: unknown,
): { readonly message: string; readonly exitCode: number } | undefined {
  if (error instanceof NoModule) return { message: error.message, exitCode: EXIT.noModule };
  if (error instanceof Refused) return { message: error.message, exitCode: error.exitCode };
  if (error instanceof NotInForce) return { message: error.message, exitCode: EXIT.notWell };
  return undefined;
}
