import type { Clock, Engine, Log, PulledImage } from '#agent/ports';
import type { Relay } from '#agent/relay-port';
import type { BroughtImage, TransportedPull } from '#agent/transports';
import { toPulledName } from '#core/presence';
import { AgentError } from '#core/reason';
import type { FailureReason } from '#core/reason';
import { formatReference } from '#core/reference';
import type { Reference } from '#core/reference';

export interface RelayedPullDeps {
  readonly engine: Engine;
  readonly relay: Relay;
  /** Whether the engine reaches a registry itself, by address, where that was tried. */
  readonly engineReach: Map<string, boolean>;
  readonly clock: Clock;
  readonly log: Log;
}

/** By a digest that it has, the engine needs a moment; one that it has to wait longer for is given up. */
const NAMING_MS = 30_000;

/** Failures that have nothing to do with the way to a registry. */
const OWN_FAULTS: ReadonlySet<FailureReason> = new Set(['EngineUnavailable', 'DiskFull', 'PlatformMismatch']);

/**
 * Has the engine pull an image from the relay, by its digest, and gives it its real name. What the registry did is told
 * as the registry's failure, whatever words the engine finds for it.
 *
 * @returns `unreached` where the engine never came to the relay
 */
export async function pullThroughRelay(
  request: TransportedPull,
  deps: RelayedPullDeps,
): Promise<Omit<BroughtImage, 'transport'> | 'unreached'> {
  const { reference, access, platform, signal } = request;
  const { engine, relay } = deps;
  const content =
    request.content ??
    (await relay.fetchContent({ reference, access, platform: request.engine, wanted: platform, signal }));
  request.onContent(content);
  const { digest } = content;
  const { stallTimeoutMs, onFetched } = request;
  const given = new AbortController();
  // The engine would ask again and again for what does not come. What is spoilt it is to find out by itself: the
  // containerd store keeps what came for a pull that was ended, and forgets that of one that failed.
  const onFailed = (failure: AgentError): void => {
    if (failure.reason !== 'Corrupt') given.abort(failure);
  };
  const offer = relay.offer({ reference, digest, access, stallTimeoutMs, onFetched, onFailed });
  try {
    const before = await engine.inspectImage(toPulledName(reference), signal);
    const { onLayer } = request;
    const pulled = await engine.pull({
      reference: offer.reference,
      credential: undefined,
      platform,
      signal: AbortSignal.any([signal, given.signal]),
      onLayer,
    });
    const hasDigest = await giveName(request, { ...pulled, digest }, deps);
    return { ...pulled, digest, hasDigest, wasPresent: before?.id === pulled.id };
  } catch (error) {
    signal.throwIfAborted();
    if (offer.failure !== undefined) throw offer.failure;
    const { reason, message } = AgentError.of(error);
    if (!offer.wasAsked && !OWN_FAULTS.has(reason)) return 'unreached';
    const names = [
      formatReference(offer.reference),
      `${offer.reference.registry}/${offer.reference.repository}`,
    ];
    const told = names.reduce((text, name) => text.replaceAll(name, formatReference(reference)), message);
    throw new AgentError(reason, told, { cause: error });
  } finally {
    offer.end();
    await removeName(offer.reference, deps);
  }
}

/**
 * Where the engine reaches the registry, its own pull by the digest moves no byte and notes the digest under the real
 * name. Where it does not, the tag is given here, and the digest is known from what the relay verified.
 *
 * @returns whether the engine knows the digest
 */
async function giveName(
  request: TransportedPull,
  { id, digest }: Pick<PulledImage, 'id' | 'digest'>,
  deps: RelayedPullDeps,
): Promise<boolean> {
  const { reference, access, signal } = request;
  const { registry, repository, tag } = reference;
  let failure: AgentError | undefined;
  if (deps.engineReach.get(access.address) !== false) {
    failure = await pullName(request, digest, deps);
    if (failure === undefined) return true;
  }
  if (tag !== undefined) {
    await deps.engine.tag(id, { registry, repository, tag }, signal);
    return false;
  }
  // Only a registry gives a digest to a name.
  failure ??= await pullName(request, digest, deps);
  if (failure === undefined) return true;
  throw failure;
}

/** @returns why the engine could not pull by the real name; undefined where it did */
async function pullName(
  request: TransportedPull,
  digest: string,
  { engine, engineReach, clock, log }: RelayedPullDeps,
): Promise<AgentError | undefined> {
  const { reference, access, signal } = request;
  const { address } = access;
  request.onNaming();
  const over = new AbortController();
  const ended = new AbortController();
  const giveUp = (message: string): void => over.abort(new AgentError('RegistryUnreachable', message));
  void clock.sleep(NAMING_MS, ended.signal).then(() => {
    if (!ended.signal.aborted)
      giveUp(`The engine had no answer from ${address} within ${NAMING_MS / 1000} s.`);
  });
  try {
    await engine.pull({
      reference: { ...reference, digest },
      credential: request.credential,
      ca: request.ca,
      platform: request.platform,
      signal: AbortSignal.any([signal, over.signal]),
      onLayer(_layerId, { kind }) {
        if (kind === 'downloading') giveUp('The engine would fetch again what it has.');
      },
    });
    engineReach.set(address, true);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    const failure = AgentError.of(error);
    if (OWN_FAULTS.has(failure.reason)) throw failure;
    engineReach.set(address, false);
    const { reason, message } = failure;
    log.debug(
      { address, reason, error: message },
      'the engine does not reach the registry; images get their tag only',
    );
    return failure;
  } finally {
    ended.abort();
  }
}

/** It is taken away whether or not the pull is still wanted; one that stays is found by a later pass. */
async function removeName(reference: Reference, { engine, log }: RelayedPullDeps): Promise<void> {
  try {
    await engine.untag(formatReference(reference), new AbortController().signal);
  } catch (error) {
    const { message } = AgentError.of(error);
    log.debug({ error: message }, 'the name that an image had for the relay stays for now');
  }
}
