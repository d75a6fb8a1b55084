import { toEngineFailure } from '#adapters/docker-failure';
import { readPullMessages } from '#adapters/pull-stream';
import type { Engine, InspectedImage, Log, PulledImage, PullRequest } from '#agent/ports';
import { formatPlatform, isPlatformMatch } from '#core/platform';
import type { Platform } from '#core/platform';
import { AgentError } from '#core/reason';
import { toPulledName } from '#core/presence';
import { formatRepository } from '#core/reference';
import type { Reference } from '#core/reference';
import { hideLogin } from '#core/registry-auth';

/** What a pull needs of the engine. */
export interface PullSteps {
  readonly engine: Pick<Engine, 'inspectImage' | 'fetchManifest' | 'tag' | 'untag'>;
  /** Starts the pull; the answer's bytes. */
  readonly open: (request: PullRequest) => AsyncIterable<Uint8Array>;
  readonly fetchPlatform: (signal: AbortSignal) => Promise<Platform>;
  readonly log: Log | undefined;
}

/** Pulls and then looks whether the engine has what was wanted, as `Engine.pull` says. */
export async function pullImage(request: PullRequest, steps: PullSteps): Promise<PulledImage> {
  const { reference, signal } = request;
  const { engine } = steps;
  const name = toPulledName(reference);
  const before = await engine.inspectImage(name, signal);
  const { image, digest } = await fetchImage(request, steps).catch(async (error: unknown) => {
    // Docker 26 pulls an image for another platform whole before it says so.
    const left = isMismatch(error) ? await engine.inspectImage(name, signal) : undefined;
    if (left !== undefined) await putBack(reference, before, left, steps);
    throw await toTrueFailure(error, request, engine);
  });
  const own = await steps.fetchPlatform(signal);
  const fault = findFault(image, digest, request, own);
  if (fault !== undefined) {
    await putBack(reference, before, image, steps);
    // It quotes the image's platform, which is its registry's word.
    throw hideLogin(fault, request.credential);
  }
  if (reference.tag !== undefined && reference.digest !== undefined) {
    const { registry, repository, tag } = reference;
    await engine.tag(image.id, { registry, repository, tag }, signal);
  }
  const toFit = (held: InspectedImage): Platform | undefined => findPlatform(held, own, request.platform);
  const wasPresent =
    before?.id === image.id && holds(before, reference, digest) && toFit(before) !== undefined;
  const platform = toFit(image) ?? image.platform;
  return { id: image.id, digest, sizeBytes: image.sizeBytes, platform, wasPresent };
}

const isMismatch = (error: unknown): boolean =>
  error instanceof AgentError && error.reason === 'PlatformMismatch';

/**
 * The containerd store says `not found` to any answer of status 404, a proxy's web page for instance. A look at the
 * manifest, which goes another way in the engine, tells what it is.
 */
async function toTrueFailure(
  error: unknown,
  { reference, credential, signal }: PullRequest,
  engine: PullSteps['engine'],
): Promise<unknown> {
  const isVague = error instanceof AgentError && error.reason === 'NotFound';
  if (!isVague || !error.message.startsWith('failed to resolve reference')) return error;
  return engine.fetchManifest(reference, credential, signal).then(
    () => error,
    (reason: unknown) => reason,
  );
}

/** An image that was pulled, and the digest that the registry served. */
interface Fetched {
  readonly image: InspectedImage;
  readonly digest: string;
}

/**
 * Pulls, and pulls again where another image has the digest: the classic store gives a digest to the first image that
 * comes with it, and keeps it there when the image for another platform comes.
 *
 * @see https://github.com/moby/moby/blob/v20.10.24/reference/store.go
 */
async function fetchImage(request: PullRequest, steps: PullSteps): Promise<Fetched> {
  const first = await tryFetch(request, steps);
  if (typeof first !== 'string') return first;
  await steps.engine.untag(first, request.signal);
  const second = await tryFetch(request, steps);
  if (typeof second !== 'string') return second;
  throw new AgentError('PlatformMismatch', `A container uses ${second}, which is for another platform.`);
}

/** @returns the name of the digest where another image has it */
async function tryFetch(request: PullRequest, steps: PullSteps): Promise<Fetched | string> {
  const { reference, signal } = request;
  const name = toPulledName(reference);
  const { saidDigest, failure } = await follow(request, steps);
  if (failure !== undefined && /cannot overwrite digest/i.test(failure)) return name;
  if (failure !== undefined) throw toEngineFailure(failure, undefined, request.credential);
  const image = await steps.engine.inspectImage(name, signal);
  if (image === undefined) {
    throw new AgentError('Unknown', `The engine ended the pull without an error, and has no ${name}.`);
  }
  const digest = reference.digest ?? saidDigest ?? toDigest(image, reference) ?? '';
  const pinned = `${formatRepository(reference)}@${digest}`;
  const isElsewhere =
    !holds(image, reference, digest) && (await steps.engine.inspectImage(pinned, signal)) !== undefined;
  return isElsewhere ? pinned : { image, digest };
}

/** Reads the engine's answer to its end. */
async function follow(
  request: PullRequest,
  { open }: PullSteps,
): Promise<{ readonly saidDigest?: string; readonly failure?: string }> {
  let said: Awaited<ReturnType<typeof follow>> = {};
  for await (const message of readPullMessages(open(request))) {
    if (message.kind === 'layer') request.onLayer(message.layerId, message.event);
    if (message.kind === 'digest') said = { ...said, saidDigest: message.digest };
    if (message.kind === 'error') said = { ...said, failure: message.text };
  }
  return said;
}

function findFault(
  image: InspectedImage,
  digest: string,
  { reference, platform: wanted }: PullRequest,
  engine: Platform,
): AgentError | undefined {
  if (!holds(image, reference, digest)) {
    const held = toDigest(image, reference) ?? 'no digest of this repository';
    return new AgentError('DigestMismatch', `The registry served ${digest}, and the engine holds ${held}.`);
  }
  if (findPlatform(image, engine, wanted) !== undefined) return undefined;
  const other =
    wanted === undefined
      ? `this engine runs ${formatPlatform(engine)}`
      : `${formatPlatform(wanted)} is wanted`;
  const held = formatPlatform(image.platform);
  return new AgentError('PlatformMismatch', `The image is for ${held}; ${other}.`, { quoted: [held] });
}

/** Takes away what was pulled in vain, and gives its name back to the image that had it. */
async function putBack(
  reference: Reference,
  before: InspectedImage | undefined,
  after: InspectedImage,
  { engine, log }: PullSteps,
): Promise<void> {
  if (before?.id === after.id) return;
  // It is done whether or not the pull is still wanted.
  const { signal } = new AbortController();
  const name = toPulledName(reference);
  try {
    await engine.untag(name, signal);
    if (before !== undefined && reference.digest === undefined)
      await engine.tag(before.id, reference, signal);
  } catch (error) {
    const { message } = AgentError.of(error);
    log?.warn({ reference: name, error: message }, 'an image that was pulled in vain was not taken away');
  }
}

/** What of an image fits. */
const findPlatform = (
  { platform, platforms = [platform] }: InspectedImage,
  engine: Platform,
  wanted: Platform | undefined,
): Platform | undefined => platforms.find((held) => isPlatformMatch(held, engine, wanted));

const holds = ({ digests }: InspectedImage, reference: Reference, digest: string): boolean =>
  digests.includes(`${formatRepository(reference)}@${digest}`);

function toDigest({ digests }: InspectedImage, reference: Reference): string | undefined {
  const prefix = `${formatRepository(reference)}@`;
  return digests.find((digest) => digest.startsWith(prefix))?.slice(prefix.length);
}
