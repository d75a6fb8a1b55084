/** What one request is answered. */
export interface WebAnswer {
  /** HTTP's. */
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** A stream that has nothing to tell beats this often: who listens knows by it that the module is there. */
export const BEAT_SECONDS = 15;

/** What is told to one listener again and again, as server-sent events. */
export interface WebStream {
  /** One line of text, or undefined where there is nothing new. Called at most once a second, while somebody listens. */
  readonly next: () => string | undefined;
}

/** Answers for one path. It changes nothing, whatever it is asked. */
export type WebRoute = (query: URLSearchParams) => WebAnswer | WebStream;

/** One line for people and for whoever looks at the status alone. */
export function toTextAnswer(status: number, line: string): WebAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${line}\n` };
}
