import { createHash } from 'node:crypto';
import { MANIFEST_MEDIA_TYPES } from '../images/image.ts';

/** What an engine would say, and with which status. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Who pulls; anonymous where empty. */
export interface Account {
  readonly username?: string;
  readonly password?: string;
}

/** A descriptor, as manifests hold them. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

/** One repository of a registry, spoken to as an engine does: asked without a right first, then with a token. */
export interface RegistrySession {
  /** The digest that a tag or a digest stands for. */
  resolve(tagOrDigest: string): Promise<Omit<Descriptor, 'platform'>>;
  fetchJson(kind: 'manifests' | 'blobs', digest: string): Promise<unknown>;
  /** Reads a layer to its end and drops it. @throws where it is not what its digest says */
  fetchLayer(digest: string, onBytes: (bytes: number) => void): Promise<void>;
}

/** Knocks at the registry, and gets a token where it wants one. @throws Refusal in an engine's words */
export async function openSession(
  address: string,
  account: Account,
  { repository, signal }: { readonly repository?: string; readonly signal: AbortSignal },
): Promise<RegistrySession> {
  const base = `http://${address}/v2/`;
  const knocked = await reach(base, { signal });
  await knocked.arrayBuffer();
  const challenge = knocked.headers.get('www-authenticate') ?? '';
  const scope = repository === undefined ? '' : `repository:${repository}:pull`;
  const token = knocked.status === 401 ? await fetchToken(challenge, scope, account, signal) : undefined;
  const authorization: Record<string, string> =
    token === undefined ? {} : { authorization: `Bearer ${token}` };

  const ask = async (method: string, path: string): Promise<Response> => {
    const url = `${base}${repository}/${path}`;
    const headers = { ...authorization, accept: MANIFEST_MEDIA_TYPES.join(', ') };
    const response = await reach(url, { method, headers, signal });
    if (response.ok) return response;
    const words = await response.text();
    if (response.status === 401 && account.username === undefined) {
      throw new Refusal(500, `Head "${url}": unauthorized: authentication required`);
    }
    if (response.status === 401 || response.status === 403) {
      throw new Refusal(
        404,
        `pull access denied for ${address}/${repository}: denied: requested access to the resource is denied`,
      );
    }
    if (response.status === 404) {
      throw new Refusal(
        404,
        `manifest for ${address}/${repository} not found: manifest unknown: manifest unknown`,
      );
    }
    throw new Refusal(500, `received unexpected HTTP status: ${response.status} ${words.slice(0, 100)}`);
  };

  if (repository === undefined && token !== undefined) {
    const again = await reach(base, { headers: authorization, signal });
    await again.arrayBuffer();
    if (!again.ok) throw new Refusal(401, `Get "${base}": unauthorized: authentication required`);
  }
  return {
    async resolve(tagOrDigest) {
      const { headers } = await ask('HEAD', `manifests/${tagOrDigest}`);
      return {
        digest: headers.get('docker-content-digest') ?? '',
        mediaType: headers.get('content-type') ?? '',
        size: Number(headers.get('content-length')),
      };
    },
    fetchJson: async (kind, digest) => (await ask('GET', `${kind}/${digest}`)).json(),
    async fetchLayer(digest, onBytes) {
      const { body } = await ask('GET', `blobs/${digest}`);
      const hash = createHash('sha256');
      for await (const chunk of body ?? []) {
        const bytes = chunk as Uint8Array;
        hash.update(bytes);
        onBytes(bytes.length);
      }
      if (`sha256:${hash.digest('hex')}` !== digest) {
        throw new Refusal(200, `filesystem layer verification failed for digest ${digest}`);
      }
    },
  };
}

async function fetchToken(
  challenge: string,
  scope: string,
  { username, password }: Account,
  signal: AbortSignal,
): Promise<string | undefined> {
  const parts = Object.fromEntries(
    Array.from(challenge.matchAll(/(\w+)="([^"]*)"/g), ([, key, value]) => [key, value]),
  );
  if (parts['realm'] === undefined) return undefined;
  const url = new URL(parts['realm']);
  url.searchParams.set('service', parts['service'] ?? '');
  if (scope !== '') url.searchParams.set('scope', scope);
  if (username !== undefined) url.searchParams.set('account', username);
  const basic = Buffer.from(`${username}:${password}`).toString('base64');
  const headers: Record<string, string> = username === undefined ? {} : { authorization: `Basic ${basic}` };
  const response = await reach(url.href, { headers, signal });
  if (response.ok) {
    const answer = (await response.json()) as { access_token?: string; token?: string };
    return answer.access_token ?? answer.token;
  }
  await response.arrayBuffer();
  throw new Refusal(500, `Get "${url.origin}${url.pathname}": unauthorized: authentication required`);
}

/** Ends with the signal's reason, or with what an engine says of a registry that is not there. */
async function reach(url: string, options: RequestInit): Promise<Response> {
  try {
    return await fetch(url, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    const { cause } = error as { readonly cause?: { readonly code?: string } };
    const what = cause?.code === 'ECONNREFUSED' ? 'connect: connection refused' : 'connection reset by peer';
    throw new Refusal(500, `Get "${url}": dial tcp ${new URL(url).host}: ${what}`);
  }
}
