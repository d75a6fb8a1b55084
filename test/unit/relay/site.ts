import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { Certificate } from '#lab/certificates';

/** What goes wrong at a site. Every switch works at once. */
export interface SiteFaults {
  /** Each answer for a blob breaks after so many bytes; a function is asked for each. */
  cutAfterBytes: number | (() => number);
  /** Each answer for a blob stops after so many bytes, and the connection stays. */
  hangAfterBytes: number;
  ignoresRange: boolean;
  /** How parts are answered for that do not begin at 0: without saying which, as another one, or not at all. */
  oddRange: 'untold' | 'another' | 'refused' | undefined;
  /** Statuses of the next answers for manifests and blobs, one each. */
  statuses: number[];
  /** Status of every answer to HEAD. */
  headStatus: number | undefined;
  retryAfter: string | undefined;
  contentType: string;
  /** What those answers say. */
  words: string;
  /** Where blobs really are; below `/store` of the site itself they are too. */
  blobsAt: string | undefined;
  redirectStatus: number;
  /** The byte of blobs that is another. */
  corruptByte: number;
  /** The login that is asked for. */
  auth: 'none' | 'bearer' | 'basic';
  /** Where tokens are had. */
  tokenPath: string;
  /** The realm that is told instead of the own one. */
  realm: string | undefined;
  tokenStatus: number;
  /** Answers with a token break off in the middle. */
  isTokenCut: boolean;
  expiresIn: number | undefined;
  isScopeMissing: boolean;
  /** The repository that no login gives the right to. */
  denied: string | undefined;
  /** What whoever sends a login that is refused is asked for, in the place of a login that helps. */
  toldToSenders: string | undefined;
  /** What manifests are said to be instead of their digest. */
  toldDigest: string | undefined;
  /** Manifests come without the headers that tell their digest and length. */
  tellsNoDigest: boolean;
  /** Whether refusals repeat the login that was sent. */
  repeatsLogin: boolean;
}

export interface SiteRequest {
  readonly method: string | undefined;
  readonly url: string;
  readonly host: string | undefined;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/** A registry on loopback that misbehaves. */
export interface Site {
  readonly address: string;
  readonly origin: string;
  readonly requests: SiteRequest[];
  readonly faults: SiteFaults;
  /** That were ever opened. */
  connections: number;
  /** Of blobs' bodies. */
  servedBytes: number;
  /** Tokens that are good now. */
  readonly tokens: Set<string>;
  holdBlob(bytes: Buffer): string;
  holdManifest(bytes: Buffer, mediaType: string): string;
  /** Serves the last manifest by another digest too. */
  nameManifest(digest: string): void;
  breakConnections(): void;
  openConnections(): number;
  close(): Promise<void>;
}

export interface SiteOptions {
  readonly auth?: SiteFaults['auth'];
  readonly tls?: Certificate;
  /** What it wants of whoever speaks TLS to it. */
  readonly tlsRules?: TlsOptions;
  /** Default `127.0.0.1`. */
  readonly listensAt?: string;
  /** The host that clients use. Default `127.0.0.1`. */
  readonly host?: string;
  readonly port?: number;
}

export const USERNAME = 'device';
export const PASSWORD = 'hunter2?>~';
export const BASIC = `Basic ${Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64')}`;

export const toDigest = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function repeat({ headers: { authorization = '' } }: IncomingMessage): unknown {
  const login = Buffer.from(authorization.slice('Basic '.length), 'base64').toString();
  const words = authorization.startsWith('Basic ') ? `${authorization} is ${login}` : authorization;
  return { errors: [{ code: 'DENIED', message: `not for ${words}` }] };
}

/** Bytes that repeat nowhere, always the same. */
export const makeBytes = (sizeBytes: number, seed = 'bytes'): Buffer =>
  createHash('shake256', { outputLength: sizeBytes }).update(seed).digest();

export async function startSite(options: SiteOptions = {}): Promise<Site> {
  const { auth = 'none', tls, listensAt = '127.0.0.1', host = '127.0.0.1' } = options;
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, { bytes: Buffer; mediaType: string }>();
  const sockets = new Set<Socket>();
  const faults: SiteFaults = {
    cutAfterBytes: Infinity,
    hangAfterBytes: Infinity,
    ignoresRange: false,
    oddRange: undefined,
    statuses: [],
    headStatus: undefined,
    retryAfter: undefined,
    contentType: 'application/json',
    words: 'fault',
    blobsAt: undefined,
    redirectStatus: 307,
    corruptByte: -1,
    auth,
    tokenPath: '/token',
    realm: undefined,
    tokenStatus: 200,
    isTokenCut: false,
    expiresIn: undefined,
    isScopeMissing: false,
    denied: undefined,
    toldToSenders: undefined,
    toldDigest: undefined,
    tellsNoDigest: false,
    repeatsLogin: false,
  };
  let issued = 0;

  const answer: RequestListener = (request, response) => {
    const { method, url = '/', headers } = request;
    const { authorization, range } = headers;
    site.requests.push({ method, url, host: headers.host, authorization, range });
    if (faults.auth === 'bearer' && url.startsWith(faults.tokenPath)) return answerToken(response);
    const isDenied = url.startsWith(`/v2/${faults.denied}/`);
    if (isDenied || !isWelcome(authorization)) return refuse(request, response);
    if (url === '/v2/') return void json(response, 200, {});
    const status = (method === 'HEAD' ? faults.headStatus : undefined) ?? faults.statuses.shift();
    if (status !== undefined)
      return void json(response, status, { errors: [{ code: 'NO', message: faults.words }] });
    const name = decodeURIComponent(url.slice(url.lastIndexOf('/') + 1));
    const manifest = manifests.get(name);
    if (url.includes('/manifests/') && manifest !== undefined) {
      const { bytes, mediaType } = manifest;
      if (!faults.tellsNoDigest) {
        response.setHeader('docker-content-digest', faults.toldDigest ?? toDigest(bytes));
        response.setHeader('content-length', bytes.length);
      }
      response.writeHead(200, { 'content-type': mediaType });
      return void response.end(method === 'HEAD' ? undefined : bytes);
    }
    const blob = blobs.get(name);
    if (blob === undefined) return void json(response, 404, { errors: [{ code: 'UNKNOWN' }] });
    if (faults.blobsAt !== undefined && !url.startsWith('/store/')) {
      return void response.writeHead(faults.redirectStatus, { location: `${faults.blobsAt}${url}` }).end();
    }
    answerBlob(response, blob, range);
  };

  const json = (response: ServerResponse, status: number, value: unknown): unknown => {
    const retry = faults.retryAfter === undefined ? {} : { 'retry-after': faults.retryAfter };
    response.writeHead(status, { 'content-type': faults.contentType, ...retry });
    return response.end(JSON.stringify(faults.repeatsLogin && status >= 400 ? repeat(response.req) : value));
  };

  const isWelcome = (authorization: string | undefined): boolean =>
    faults.auth === 'none' ||
    (faults.auth === 'basic'
      ? authorization === BASIC
      : site.tokens.has(authorization?.slice('Bearer '.length) ?? ''));

  const refuse = (request: IncomingMessage, response: ServerResponse): void => {
    const error = faults.isScopeMissing && request.headers.authorization ? ',error="insufficient_scope"' : '';
    const realm = faults.realm ?? `${site.origin}${faults.tokenPath}`;
    const challenge =
      faults.auth === 'basic' ? 'Basic realm="site"' : `Bearer realm="${realm}",service="site"${error}`;
    const isSender = request.headers.authorization !== undefined;
    response.setHeader('www-authenticate', (isSender ? faults.toldToSenders : undefined) ?? challenge);
    json(response, 401, { errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] });
  };

  const answerToken = (response: ServerResponse): void => {
    issued += 1;
    const token = `token-${issued}`;
    if (!faults.isScopeMissing) site.tokens.add(token);
    const { tokenStatus: status, expiresIn } = faults;
    if (faults.isTokenCut) {
      response.writeHead(200, { 'content-length': 100 });
      return void response.write('{"access_', () => response.destroy());
    }
    json(response, status, status === 200 ? { access_token: token, expires_in: expiresIn } : {});
  };

  /** Where a part is said to begin; Infinity: beyond the end. */
  const toTold = (from: number): number | undefined => {
    if (from === 0 || faults.oddRange === undefined) return from;
    return { untold: undefined, another: 0, refused: Infinity }[faults.oddRange];
  };

  const answerBlob = (response: ServerResponse, blob: Buffer, range: string | undefined): void => {
    const [, first = 0, last = ''] = (!faults.ignoresRange && /^bytes=(\d+)-(\d*)$/.exec(range ?? '')) || [];
    const from = Number(first);
    const bytes = Buffer.from(blob.subarray(from, last === '' ? blob.length : Number(last) + 1));
    const corrupt = faults.corruptByte - from;
    if (corrupt >= 0 && corrupt < bytes.length) bytes[corrupt] = (bytes[corrupt] ?? 0) ^ 1;
    const isPart = range !== undefined && !faults.ignoresRange;
    const told = isPart ? toTold(from) : undefined;
    if (told === Infinity) return void json(response, 416, {});
    if (told !== undefined)
      response.setHeader('content-range', `bytes ${told}-${told + bytes.length - 1}/${blob.length}`);
    response.writeHead(isPart ? 206 : 200, { 'content-length': bytes.length });
    const cut = typeof faults.cutAfterBytes === 'number' ? faults.cutAfterBytes : faults.cutAfterBytes();
    const end = Math.min(cut, faults.hangAfterBytes, bytes.length);
    site.servedBytes += end;
    if (end === bytes.length) return void response.end(bytes);
    response.write(bytes.subarray(0, end), () => {
      // The end of the stream, and not a reset: what was written still arrives.
      if (end === cut) response.socket?.end();
    });
    if (end === 0) response.flushHeaders();
  };

  const server =
    tls === undefined
      ? createServer(answer)
      : createTlsServer({ cert: tls.certificatePem, key: tls.keyPem, ...options.tlsRules }, answer);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    site.connections += 1;
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
  });
  server.listen(options.port ?? 0, listensAt);
  await once(server, 'listening');
  const address = `${host}:${(server.address() as AddressInfo).port}`;
  const site: Site = {
    address,
    origin: `${tls === undefined ? 'http' : 'https'}://${address}`,
    requests: [],
    faults,
    connections: 0,
    servedBytes: 0,
    tokens: new Set(),
    holdBlob(bytes) {
      blobs.set(toDigest(bytes), bytes);
      return toDigest(bytes);
    },
    holdManifest(bytes, mediaType) {
      manifests.set(toDigest(bytes), { bytes, mediaType });
      manifests.set('1', { bytes, mediaType });
      return toDigest(bytes);
    },
    nameManifest(digest) {
      const last = manifests.get('1');
      if (last !== undefined) manifests.set(digest, last);
    },
    openConnections: () => sockets.size,
    breakConnections: () => sockets.forEach((socket) => socket.destroy()),
    async close() {
      if (!server.listening) return;
      server.close();
      site.breakConnections();
      await once(server, 'close');
    },
  };
  onTestFinished(() => site.close());
  return site;
}

/** A site at another loopback address, on a port where nobody else listens at the usual one. */
export async function startAside(options: SiteOptions): Promise<Site> {
  for (;;) {
    const site = await startSite({ ...options, listensAt: '127.0.0.2' });
    const socket = connect({ port: Number(site.address.split(':')[1]), host: '127.0.0.1' });
    const isFree = await once(socket, 'connect').then(
      () => false,
      () => true,
    );
    socket.destroy();
    if (isFree) return site;
    await site.close();
  }
}
