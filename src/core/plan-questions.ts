import type { ImageSpec } from '#core/desired-state';
import { toKeptBytes } from '#core/disk-need';
import type { Court, Judgement } from '#core/judge';
import { createDoor } from '#core/opening';
import { createPlaces, SILENCE_MS } from '#core/places';
import { formatReference, formatTagged } from '#core/reference';
import type { Action, World } from '#core/world';

/** What registries are asked now: whose turn it is, and how much at once. */

/** By the name of the image. */
export type Judgements = ReadonlyMap<string, Judgement>;

/** Whether a registry may be asked one more question. */
type Door = ReturnType<typeof createDoor>;

/** An image of which something is wanted. */
interface Candidate {
  readonly name: string;
  readonly spec: ImageSpec;
}

/** Manifest requests in flight at once; they are small, and the registry may stand at the end of a poor link. */
const MAX_CONCURRENT_CHECKS = 4;

/** A registry that takes longer to say what an image holds keeps no other image from being pulled. */
const MEASURE_GRACE_MS = 2000;

/** What begins at registries: tags are compared, contents asked for, and the free places filled with pulls. */
export function planQuestions(judgements: Judgements, court: Court, mayPull: boolean): Action[] {
  const { checks, measures } = court.running;
  const admit = createDoor(court.openings, court.nowMs);
  return [
    ...planBrief('check', toWanted(judgements, 'check', court), checks.size, admit),
    // What images hold is asked in the order in which they are pulled.
    ...planBrief('measure', toUnknownFirst(judgements, court), measures.size, admit),
    ...(mayPull ? planPulls(judgements, court, admit) : []),
  ];
}

/** When time alone lets more begin, milliseconds since 1970. */
export function* toQuestionTimes(judgements: readonly Judgement[], world: World): Generator<number> {
  const { running, openings, nowMs } = world;
  for (const { startedAtMs } of running.measures.values()) {
    if (startedAtMs + MEASURE_GRACE_MS > nowMs) yield startedAtMs + MEASURE_GRACE_MS;
  }
  for (const aloneUntilMs of openings.values()) if (aloneUntilMs > nowMs) yield aloneUntilMs;
  if (!judgements.some(({ want }) => want?.kind === 'pull')) return;
  for (const { isCancelling, transport, advancedAtMs } of running.pulls.values()) {
    const silentAtMs = advancedAtMs + SILENCE_MS;
    if (!isCancelling && transport === 'relay' && silentAtMs > nowMs) yield silentAtMs;
  }
}

/** Questions that a manifest or two answers, in the order of the images that are given. */
function planBrief(
  kind: 'check' | 'measure',
  candidates: readonly Candidate[],
  underWay: number,
  admit: Door,
): Action[] {
  const actions: Action[] = [];
  for (const { name, spec } of candidates) {
    if (underWay + actions.length >= MAX_CONCURRENT_CHECKS) break;
    if (admit(spec.reference.registry)) actions.push({ kind, name });
  }
  return actions;
}

/** What is known of an image that waits for room is looked at again when there is nothing else to ask. */
function toUnknownFirst(judgements: Judgements, world: World): readonly Candidate[] {
  const candidates = toCandidates(judgements, 'measure', world);
  const isKnown = ({ name }: Candidate): boolean => world.contents.has(name);
  return [...candidates.filter((one) => !isKnown(one)), ...candidates.filter(isKnown)];
}

/** Desired images of which something is wanted, higher priority first, then by name. */
function toCandidates(...wanted: Parameters<typeof toWanted>): readonly Candidate[] {
  return toWanted(...wanted).toSorted(byTurn);
}

const byTurn = (a: Candidate, b: Candidate): number =>
  b.spec.priority - a.spec.priority || (a.name < b.name ? -1 : 1);

/** The same by name. */
function toWanted(
  judgements: Judgements,
  kind: 'check' | 'measure' | 'pull',
  { desired }: World,
): readonly Candidate[] {
  const wanted: Candidate[] = [];
  for (const [name, { want }] of judgements) {
    const image = want?.kind === kind ? desired.images.get(name) : undefined;
    if (image?.kind === 'image') wanted.push(image);
  }
  return wanted;
}

/** The first image of which it is being asked what it holds: those after it wait a moment, to begin in the right order. */
function findHolding({ running, desired, nowMs }: World): Candidate | undefined {
  const asked = [...running.measures].filter(([, { startedAtMs }]) => startedAtMs + MEASURE_GRACE_MS > nowMs);
  const images = asked.map(([name]) => desired.images.get(name));
  return images.filter((image) => image?.kind === 'image').toSorted(byTurn)[0];
}

function planPulls(judgements: Judgements, world: Court, admit: Door): Action[] {
  const { running, stalledAddresses } = world;
  const isStalled = (spec: ImageSpec): boolean => stalledAddresses.has(spec.reference.registry);
  const holding = findHolding(world);
  const candidates = toCandidates(judgements, 'pull', world).filter(
    (candidate) => holding === undefined || byTurn(candidate, holding) < 0,
  );
  const healthy = candidates.filter(({ spec }) => !isStalled(spec));
  // A registry that let a pull stall gets one place, and only while no other registry has something to do.
  const eligible = healthy.length > 0 || running.pulls.size > 0 ? healthy : candidates.slice(0, 1);
  const pulling = new Set([...running.pulls.values()].flatMap(({ reference }) => toTargets(reference)));
  const actions: Action[] = [];
  const places = createPlaces(world);
  let askable = MAX_CONCURRENT_CHECKS - running.measures.size;
  let { spareBytes } = world;
  for (const { name, spec } of eligible) {
    const { registry } = spec.reference;
    if (!places.isFree(registry)) continue;
    const targets = toTargets(spec.reference);
    if (targets.some((target) => pulling.has(target))) continue;
    const { diskBytes = 0, ampleBytes = 0, missing = [] } = world.contents.get(name) ?? {};
    const keptBytes = toKeptBytes(missing, world.keptBytes);
    if (ampleBytes > spareBytes + keptBytes) {
      // Beside what begins with it the disk is tight.
      if (askable > 0 && !running.measures.has(name)) {
        askable -= 1;
        actions.push({ kind: 'measure', name });
      }
      continue;
    }
    if (diskBytes > spareBytes + keptBytes || !admit(registry)) continue;
    spareBytes -= diskBytes - keptBytes;
    places.take(registry);
    for (const target of targets) pulling.add(target);
    actions.push({ kind: 'pull', name });
  }
  return actions;
}

/** The names that a pull writes: two pulls of one name wait for each other. */
const toTargets = (reference: ImageSpec['reference']): string[] => [
  formatReference(reference),
  formatTagged(reference) ?? formatReference(reference),
];
