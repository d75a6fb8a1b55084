import type { OutgoingHttpHeaders } from 'node:http';
import { AgentError } from '#core/reason';
import type { RegistryAccess } from '#core/registry-access';
import { readWords, toFailure } from '#relay/answers';
import { BusyRegistry, StatusFailure } from '#relay/registry-failure';
import type { Answer, RegistryLine } from '#relay/registry-line';
import { discard } from '#relay/request';
import type { Tokens } from '#relay/tokens';

/** Gets answers out of a registry. */
export interface Inquirer {
  /** Logs in as far as it takes and follows redirects. Resolves with a good answer (2xx), rejects with an `AgentError`. */
  ask(inquiry: Inquiry, signal: AbortSignal): Promise<Answer>;
}

export interface Inquiry {
  readonly method: 'GET' | 'HEAD';
  readonly path: string;
  /** Whose right to pull is needed. */
  readonly repository?: string;
  readonly headers: OutgoingHttpHeaders;
  /** No login goes along, and that one is wanted is answer enough. */
  readonly isAnyone?: boolean;
}

interface InquirerOptions {
  readonly access: RegistryAccess;
  readonly line: RegistryLine;
  readonly tokens: Tokens;
  /** Since 1970. */
  readonly nowMs: () => number;
}

const MAX_REDIRECTS = 5;
/** With a token of before, without any, and with a new one; and once more where others ask for theirs meanwhile. */
const MAX_REFUSALS = 4;

export function createInquirer({ access, line, tokens, nowMs }: InquirerOptions): Inquirer {
  const { address, credential } = access;

  /** Redirects are for whoever has the blobs: another origin gets no token. */
  async function follow(
    first: Answer,
    inquiry: Inquiry,
    authorization: string | undefined,
    signal: AbortSignal,
  ) {
    let answer = first;
    for (let hops = 0; isRedirect(answer); hops += 1) {
      await discard(answer.response);
      const url = URL.parse(answer.response.headers.location ?? '', answer.url.href);
      if (url === null || hops === MAX_REDIRECTS) {
        throw new AgentError('RegistryError', `${address} redirects to nowhere`);
      }
      const isOwn = url.origin === first.url.origin;
      const headers = toHeaders(inquiry, isOwn ? authorization : undefined);
      answer = await line.askElsewhere(url, { method: inquiry.method, headers }, signal);
    }
    return answer;
  }

  return {
    async ask(inquiry, signal) {
      const { method, path, repository, isAnyone = false } = inquiry;
      for (let refusals = 0; ;) {
        const sent = isAnyone ? undefined : await tokens.authorize(repository, signal);
        const authorization = sent?.header;
        const first = await line.ask(path, { method, headers: toHeaders(inquiry, authorization) }, signal);
        const answer = await follow(first, inquiry, authorization, signal);
        const { statusCode: status = 0 } = answer.response;
        if (status >= 200 && status < 300) return answer;
        if (isAnyone && (status === 401 || status === 403)) return answer;
        const subject = repository === undefined ? address : `${address}/${repository}`;
        const isForeign = answer.url.origin !== first.url.origin;
        // What the token may do was decided when it was made: the next question is asked with a new one.
        if (status === 403 && !isForeign) tokens.forget(repository);
        if (status !== 401 || isForeign) {
          const failure = await toFailure(answer, { subject, credential, authorization }, nowMs());
          throw toHome(failure, isForeign);
        }
        const words = await readWords(answer, { subject, credential, authorization });
        refusals += 1;
        tokens.learn(answer, repository, { sent, words });
        if (refusals === MAX_REFUSALS) {
          throw new AgentError('Unauthorized', `${subject}: the registry refuses each login anew${words}`);
        }
      }
    },
  };
}

/** What another host says of a signed address is no word about the right to pull; how long it wants to be left alone holds. */
function toHome(failure: StatusFailure, isForeign: boolean): StatusFailure {
  if (!isForeign || failure.reason === 'RateLimited') return failure;
  const told = new StatusFailure('RegistryError', failure.message, failure.status);
  return failure instanceof BusyRegistry ? new BusyRegistry(told, failure.retryAfterMs) : told;
}

const isRedirect = ({ response: { statusCode = 0 } }: Answer): boolean =>
  [301, 302, 303, 307, 308].includes(statusCode);

const toHeaders = ({ headers }: Inquiry, authorization: string | undefined): OutgoingHttpHeaders =>
  authorization === undefined ? headers : { ...headers, authorization };
