/** Exit codes of the command line. */
export const EXIT = { failed: 1, usage: 2, notUp: 3 } as const;

/** An error that a command ends with, and its exit code. */
export interface CommandError extends Error {
  readonly exitCode: number;
}

/** An error for people, with the exit code for scripts. */
export function commandError(kind: keyof typeof EXIT, message: string): CommandError {
  return Object.assign(new Error(message), { exitCode: EXIT[kind] });
}

/** The exit code that an error asks for, 1 by default. */
export function toExitCode(error: unknown): number {
  return error instanceof Error && 'exitCode' in error ? Number(error.exitCode) : EXIT.failed;
}
