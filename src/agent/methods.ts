import { demandLogin } from '#agent/book';
import type { Book } from '#agent/book';
import { cancel, demand } from '#agent/demands';
import type { Observer } from '#agent/observe';
import { isHere } from '#agent/outlook';
import type { Outlook } from '#agent/outlook';
import type {
  Clock,
  Engine,
  Log,
  MethodAnswer,
  MethodHandler,
  MethodHandlers,
  RegistryProber,
} from '#agent/ports';
import { createRegistryChecks } from '#agent/registry-checks';
import type { Relay } from '#agent/relay-port';
import type { Transports } from '#agent/transports';
import { createRemovals } from '#agent/removals';
import type { Tasks } from '#agent/tasks';
import type { ImagePlans } from '#agent/image-plans';
import { toAway } from '#contract/away';
import { toCheckAnswer } from '#contract/check-answer';
import { parseImages } from '#contract/desired-images';
import { toRegistries } from '#contract/desired-registries';
import { toPlanAnswer } from '#contract/plan-answer';
import { NAME_FAULT, toLine } from '#contract/findings';
import {
  parseCancelPulls,
  parseCheckRegistry,
  parseGetStatus,
  parseGetTaskStatus,
  parsePlanImages,
  parsePullImages,
  parseRemoveImages,
  PayloadError,
} from '#contract/methods';
import { toRemovals } from '#contract/removals';
import { toWhole } from '#contract/reported';
import { toPage } from '#contract/status-page';
import { DEFAULT_SETTINGS } from '#core/desired-state';
import type { Overview } from '#core/overview';
import { AgentError } from '#core/reason';
import { judgeEntry } from '#core/registry-check';
import { findWanted } from '#core/removal';

export interface MethodDeps {
  readonly book: Book;
  readonly tasks: Tasks;
  readonly outlook: Outlook;
  readonly toOverview: () => Overview;
  readonly isEngineAway: () => boolean;
  readonly engine: Engine;
  readonly observer: Observer;
  readonly probe: RegistryProber;
  readonly plans: ImagePlans;
  readonly relay?: Relay | undefined;
  readonly transports: Transports;
  readonly clock: Clock;
  readonly log: Log;
  readonly parentHostName: string | undefined;
  readonly ring: () => void;
}

/** An answer stays under 100 KB of JSON; what it holds besides registries and images fits into the rest. */
const MAX_PAGE_BYTES = 90_000;
/** A message repeats what was written, which may be as long as a payload. */
const MAX_MESSAGE_LENGTH = 1000;

/** The direct methods of twin-contract.md, by name. */
export function createMethods(deps: MethodDeps): MethodHandlers {
  const { book, outlook, tasks, clock, ring } = deps;
  const removals = createRemovals(deps);
  const checks = createRegistryChecks({
    ...deps,
    toTransport: () => (book.desired?.settings ?? DEFAULT_SETTINGS).transport,
    onAccepted(registry) {
      demandLogin(book, registry, clock.nowMs());
      ring();
    },
  });

  function getStatus(payload: unknown): MethodAnswer {
    const { images: names, after } = parseGetStatus(payload);
    if (names !== undefined && book.desired === undefined) return desiredUnknown();
    const unknown = findUnknown(names);
    if (unknown !== undefined) return notDesired(unknown);
    const overview = deps.toOverview();
    const { head, registries, images } = toWhole(overview.status);
    const wanted = images.filter(([name]) => names?.includes(name) ?? true);
    return {
      status: 200,
      payload: {
        ...head,
        ...toAway(overview),
        ...toPage({ registries, images: wanted }, after, MAX_PAGE_BYTES),
      },
    };
  }

  function pullImages(payload: unknown): MethodAnswer {
    const { images: named, force } = parsePullImages(payload);
    if (book.desired === undefined) return desiredUnknown();
    const unknown = findUnknown(named);
    if (unknown !== undefined) return notDesired(unknown);
    if (deps.isEngineAway()) return engineAway();
    const images = unique(named) ?? [...book.desired.images.keys()];
    demand(book, images, force, clock.nowMs());
    const correlationId = tasks.begin(images);
    ring();
    return { status: 202, payload: { correlationId, images } };
  }

  function cancelPulls(payload: unknown): MethodAnswer {
    const { images: named } = parseCancelPulls(payload);
    if (book.desired === undefined) return desiredUnknown();
    const unknown = findUnknown(named);
    if (unknown !== undefined) return notDesired(unknown);
    const cancelled = (unique(named) ?? [...book.images.keys()]).filter((name) => {
      const record = book.images.get(name);
      if (record === undefined || record.failure?.reason === 'Cancelled') return false;
      // Of one that no pass has judged yet nothing is known, and it may be about to be pulled.
      return !isHere(outlook, name, record);
    });
    cancel(book, cancelled);
    ring();
    return { status: 200, payload: { cancelled } };
  }

  function getTaskStatus(payload: unknown): MethodAnswer {
    const { correlationId } = parseGetTaskStatus(payload);
    const task = tasks.find(correlationId);
    if (task === undefined) {
      return failure(
        404,
        'NotFound',
        'No task has this correlationId; tasks are forgotten when the module restarts.',
      );
    }
    return { status: 200, payload: task };
  }

  async function checkRegistry(payload: unknown): Promise<MethodAnswer> {
    const { registry: named, target } = parseCheckRegistry(payload);
    if (book.desired === undefined) return desiredUnknown();
    const isMeant = (name: string, address: string | undefined): boolean =>
      named === undefined || named === name || named === address;
    const records = [...book.registries.values()].filter(({ registry }) =>
      isMeant(registry.name, registry.address),
    );
    const atFault = [...book.desired.faultyRegistries].filter(([name, { address }]) =>
      isMeant(name, address),
    );
    const count = records.length + atFault.length;
    if (named !== undefined && count === 0) return notListed(named);
    if (named === undefined && target !== undefined && count > 1) {
      throw new PayloadError('registry: must name one of several that are listed, to look for a repository');
    }
    if (deps.isEngineAway()) return engineAway();
    const found = await checks.check(records, target);
    const judged = atFault.map(([name, fault]) => [name, judgeEntry(name, fault, clock.nowMs())] as const);
    return { status: 200, payload: toCheckAnswer(new Map([...found, ...judged])) };
  }

  async function planImages(payload: unknown): Promise<MethodAnswer> {
    const written = parsePlanImages(payload);
    if (book.desired === undefined) return desiredUnknown();
    if (deps.isEngineAway()) return engineAway();
    const context = { parentHostName: deps.parentHostName, registries: toRegistries(book.desired) };
    const { images, misnamed } = parseImages(written, context, { faults: [], unknownProperties: [] });
    if (misnamed[0] !== undefined) throw new PayloadError(`${misnamed[0]}: ${NAME_FAULT}`);
    return { status: 200, payload: toPlanAnswer(await deps.plans.plan(images)) };
  }

  async function removeImages(payload: unknown): Promise<MethodAnswer> {
    const { images: words } = parseRemoveImages(payload);
    const { desired, owned } = book;
    const meant = toRemovals(words, { desired, owned, parentHostName: deps.parentHostName });
    for (const [word, references] of meant) {
      const wanted = findWanted(word, references, desired);
      if (wanted !== undefined) return stillDesired(word, wanted);
    }
    if (deps.isEngineAway()) return engineAway();
    const references = [...new Set([...meant.values()].flat())];
    return { status: 200, payload: await removals.remove(references) };
  }

  function findUnknown(names: readonly string[] | undefined): string | undefined {
    return names?.find((name) => book.desired?.images.has(name) !== true);
  }

  const handlers: Readonly<Record<string, Handle>> = {
    ping: () => ({ status: 200, payload: {} }),
    GetStatus: getStatus,
    PullImages: pullImages,
    CancelPulls: cancelPulls,
    GetTaskStatus: getTaskStatus,
    CheckRegistry: checkRegistry,
    PlanImages: planImages,
    RemoveImages: removeImages,
  };
  return Object.fromEntries(
    Object.entries(handlers).map(([method, handle]) => [method, answering(method, handle, deps.log)]),
  );
}

type Handle = (payload: unknown) => MethodAnswer | Promise<MethodAnswer>;

/** Makes a handler that answers whatever happens: a payload that does not fit is 400, a bug is 500. */
function answering(method: string, handle: Handle, log: Log): MethodHandler {
  return async (payload) => {
    try {
      return await handle(payload);
    } catch (error) {
      if (error instanceof PayloadError) return failure(400, 'BadRequest', error.message);
      if (error instanceof AgentError && error.reason === 'EngineUnavailable') return engineAway();
      log.error({ method, err: error }, 'a method ended in an unexpected error');
      return failure(500, 'Unknown', 'The module failed to answer; its log has the cause.');
    }
  };
}

const notDesired = (name: string): MethodAnswer =>
  failure(
    404,
    'NotFound',
    `No image with the name "${name}" is desired; names are the keys of properties.desired.images.`,
  );

const notListed = (name: string): MethodAnswer =>
  failure(
    404,
    'NotFound',
    `No registry "${name}" is listed; names are the keys of properties.desired.registryCredentials.`,
  );

const stillDesired = (word: string, name: string): MethodAnswer =>
  failure(
    409,
    'StillDesired',
    `"${word}" is still desired: take images.${name} out of the desired properties first. Nothing was removed.`,
  );

const desiredUnknown = (): MethodAnswer =>
  failure(
    503,
    'DesiredUnknown',
    'No valid desired properties have come since the module started: see lastDesiredStatus in GetStatus, and call again when it has them.',
  );

const engineAway = (): MethodAnswer =>
  failure(
    503,
    'EngineUnavailable',
    'The Docker engine does not answer; see GetStatus, or `status` at the device.',
  );

const failure = (status: number, reason: string, message: string): MethodAnswer => ({
  status,
  payload: { reason, message: toLine(message, MAX_MESSAGE_LENGTH) },
});

const unique = (names: readonly string[] | undefined): string[] | undefined => names && [...new Set(names)];
