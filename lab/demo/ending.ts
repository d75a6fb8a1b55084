/** Why a command that runs for a while shall end. */
export interface Ending {
  /** Aborted by Ctrl-C and the like, and when nobody reads what is written any more. */
  readonly signal: AbortSignal;
  /** What a shell expects after that signal: 128 and its number. */
  readonly exitCode: number;
}

const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143, SIGPIPE: 141 } as const;

/** Takes the signals over from Node, for good: a second Ctrl-C hurries nothing, since what was started is being ended. */
export function listenForEnding(): Ending {
  const controller = new AbortController();
  let exitCode: number = EXIT_CODES.SIGTERM;
  const end = (name: keyof typeof EXIT_CODES): void => {
    if (controller.signal.aborted) return;
    exitCode = EXIT_CODES[name];
    controller.abort(new Error(name));
  };
  for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.on(name, () => end(name));
  process.stdout.on('error', () => end('SIGPIPE'));
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
  };
}

/** An error's message and those of its causes, for people. */
export function formatError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${formatError(error.cause)}`;
}
