import { NoModule } from '#cli/client';
import type { Answer, Call } from '#cli/client';

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

  constructor({ status, payload }: Answer) {
    super(typeof payload['message'] === 'string' ? payload['message'] : `The module answered ${status}.`);
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

/** What to say of an error, and the exit code; undefined for a fault of this program. */
export function toEnding(
  error: unknown,
): { readonly message: string; readonly exitCode: number } | undefined {
  if (error instanceof NoModule) return { message: error.message, exitCode: EXIT.noModule };
  if (error instanceof Refused) return { message: error.message, exitCode: error.exitCode };
  return undefined;
}
