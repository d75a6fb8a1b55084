import { lookup } from 'node:dns/promises';
import { request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls, getCACertificates } from 'node:tls';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { RegistryProber } from '#agent/ports';
import { split } from '#core/registry-advice';
import { knowsNoTls } from '#core/registry-probe';
import type { AnswerFacts, Probe, Probed, TlsFacts } from '#core/registry-probe';

/** More of `/v2/` is not read. */
const MAX_ANSWER_BYTES = 10_000;

/** Goes to registries' addresses from the module's own network: names, ports, certificates and `/v2/`, no password. */
export const probeRegistry: RegistryProber = async (address, ca, signal) => {
  const { host: written, port } = split(address);
  const host = written.replaceAll(/[[\]]/g, '');
  const place = { host, port };
  let found: Probe = {};
  const addresses = await probed(signal, resolve(host));
  // What the signal cut short did not fail: there was no time for it.
  if (signal.aborted) return found;
  found = { addresses };
  if ('error' in addresses) return found;
  const connection = await probed(signal, openPort(place, signal));
  if (signal.aborted) return found;
  found = { ...found, connection };
  if ('error' in connection) return found;
  const tls = await probed(signal, shakeHands({ ...place, ca }, signal));
  if (signal.aborted) return found;
  found = { ...found, tls };
  if ('error' in tls) return found;
  const scheme = tls.value.kind === 'plain' ? 'http' : 'https';
  const answer = await probed(signal, ask(`${scheme}://${address}/v2/`, signal));
  return signal.aborted ? found : { ...found, answer };
};

async function probed<T>(signal: AbortSignal, attempt: Promise<T>): Promise<Probed<T>> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new Error('no answer in time'));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return { value: await Promise.race([attempt, late]) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function resolve(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}

interface Place {
  readonly host: string;
  readonly port: number;
}

function openPort({ host, port }: Place, signal: AbortSignal): Promise<true> {
  const { promise, resolve: open, reject } = Promise.withResolvers<true>();
  const socket = connectTcp({ host, port, signal });
  socket.once('connect', () => {
    socket.destroy();
    open(true);
  });
  socket.once('error', reject);
  return promise;
}

/** The certificate is looked at whatever is wrong with it: nothing secret is said over the connection. */
function shakeHands(
  { host, port, ca }: Place & { readonly ca: string | undefined },
  signal: AbortSignal,
): Promise<TlsFacts> {
  const { promise, resolve: take, reject } = Promise.withResolvers<TlsFacts>();
  const socket: TLSSocket = connectTls({
    host,
    port,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ca: [...getCACertificates('default'), ...(ca === undefined ? [] : [ca])],
    allowPartialTrustChain: true,
    rejectUnauthorized: false,
  });
  const end = (): void => void socket.destroy();
  signal.addEventListener('abort', end, { once: true });
  socket.once('secureConnect', () => {
    take(toFacts(socket.getPeerCertificate(), socket.authorized ? undefined : socket.authorizationError));
    socket.destroy();
  });
  socket.once('error', (error) => {
    if (knowsNoTls(error)) take({ kind: 'plain' });
    else reject(error);
  });
  socket.once('close', () => {
    signal.removeEventListener('abort', end);
    reject(new Error('the connection was closed during the TLS handshake'));
  });
  return promise;
}

function toFacts({ subject, issuer, valid_to: validTo }: PeerCertificate, distrust: unknown): TlsFacts {
  return {
    kind: 'certificate',
    subject: toText(subject?.CN),
    issuer: toText(issuer?.CN ?? issuer?.O),
    validTo,
    ...(distrust === undefined || distrust === null ? {} : { distrust: toCode(distrust) }),
  };
}

const toText = (name: string | string[] | undefined): string => [name ?? ''].flat().join(', ');

const toCode = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

function ask(url: string, signal: AbortSignal): Promise<AnswerFacts> {
  const { promise, resolve: take, reject } = Promise.withResolvers<AnswerFacts>();
  const onResponse = (response: IncomingMessage): void => {
    const { statusCode: status = 0, headers } = response;
    const challenge = /^\w+/.exec(headers['www-authenticate'] ?? '')?.[0];
    const isNamed = headers['docker-distribution-api-version'] !== undefined;
    const isJson = /json/.test(headers['content-type'] ?? '');
    const isGood = status === 200 || (status === 401 && challenge !== undefined);
    take({
      status,
      isRegistry: isGood && (isNamed || isJson || challenge !== undefined),
      ...(challenge === undefined ? {} : { challenge }),
    });
    response.destroy();
  };
  const options = { agent: false, signal, rejectUnauthorized: false, maxHeaderSize: MAX_ANSWER_BYTES };
  const request = url.startsWith('https:') ? requestHttps(url, options) : requestHttp(url, options);
  request.once('response', onResponse).once('error', reject).end();
  return promise;
}
