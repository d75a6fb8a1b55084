import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Report } from '#lab/edge';
import { findReportFault } from '#lab/edge/twin-rules';
import { toObject } from '#test/e2e/scene';
import type { Fault, FaultResult } from './fault.ts';
import type { Stage } from './stage.ts';
import { watchTruth } from './truth.ts';
import { observeVitals } from './vitals.ts';
import type { Vitals } from './vitals.ts';

const RECOVERY_MS = 60_000;
const LASTS_MS = 3000;
/** Connections to the engine and to edgeHub come and go. */
const HANDLES_TOLERANCE = 4;
/** A heap breathes: what is garbage is not collected at once. */
const MEMORY_TOLERANCE_MB = 16;
const SETTLE_MS = 60_000;
/** Whatever the module writes by which one could log in somewhere. */
const TOKENS = /SharedAccessSignature sr=|eyJ[\w-]{20,}\.[\w-]{20,}/;

/** Plays a fault on a stage. @throws where the module does not keep what it promises */
export async function playFault(stage: Stage, fault: Fault): Promise<FaultResult> {
  await stage.settle();
  const before = await observeVitals(stage.process().pid);
  const restarts = stage.restarts.count;
  const reports = stage.edge.reports.length;
  const truth = watchTruth(stage);
  const beganAtMs = performance.now();
  let healedAtMs = beganAtMs;
  let looks = 0;
  const seen: string[] = [];
  try {
    if (fault.isAtStart === true) await stage.process().stop();
    await fault.inject(stage);
    if (fault.isAtStart === true) stage.startModule();
    const { pid } = stage.process();
    await stage.want();
    const restartsBefore = stage.restarts.count;
    if (fault.whileItLasts === undefined) await sleep(LASTS_MS);
    else seen.push(await fault.whileItLasts(stage));
    if (stage.restarts.count === restartsBefore) expect(stage.process().pid, 'the process lives').toBe(pid);
    expect(stage.process().ending, 'how the process ended').toBeUndefined();
    await fault.heal(stage);
    healedAtMs = performance.now();
    await stage.waitForReady(fault.recoveryMs ?? RECOVERY_MS);
  } catch (error) {
    await fault.heal(stage);
    throw error;
  } finally {
    const { lies, ...watched } = await truth.stop();
    ({ looks } = watched);
    expect(lies, 'reported and not so').toEqual([]);
  }
  const readyAtMs = performance.now();
  if (fault.afterwards !== undefined) seen.push(await fault.afterwards(stage));
  expect(stage.process().ending, 'how the process ended').toBeUndefined();
  expect(isAscending(stage.edge.reports), 'lastDesiredVersion never goes back').toBe(true);
  const inEngine = await countInEngine(stage);
  expect(inEngine, 'wanted images in the engine').toBe(stage.wanted.size);
  const more = await waitForVitals(stage, before);
  const secrets = findSecrets(stage);
  expect(secrets, 'places where a secret stands').toEqual([]);
  return {
    group: fault.group,
    name: fault.name,
    form: stage.isLong ? 'long' : 'short',
    outcome: 'passed',
    seen: seen.filter((text) => text !== '').join('; '),
    lastedSeconds: toSeconds(healedAtMs - beganAtMs),
    healedSeconds: toSeconds(readyAtMs - healedAtMs),
    wanted: stage.wanted.size,
    inEngine,
    looks,
    reportsRefused: stage.edge.reports.slice(reports).filter(isRefusable).length,
    secretsFound: secrets.length,
    ...more,
    restarts: stage.restarts.count - restarts,
  };
}

/** How many of the wanted images the engine has, by what is reported of them and by its own listing. */
async function countInEngine({ wanted, edge, engine }: Stage): Promise<number> {
  const images = await engine.images();
  const present = new Set(images.flatMap(({ references, digests }) => [...references, ...digests]));
  const reported = toObject(edge.reported()['images']);
  const names = [...wanted.keys()];
  // Too many to be reported one by one: the summary speaks for them, and the engine's own count.
  if (names.some((name) => reported[name] === undefined)) return Math.min(present.size, names.length);
  return names.filter((name) => present.has(String(toObject(reported[name])['image']))).length;
}

/** Waits until the process holds no more than before; what it holds more at last. */
async function waitForVitals(
  stage: Stage,
  before: Vitals,
): Promise<Pick<FaultResult, 'handlesMore' | 'memoryMoreMB'>> {
  const observe = async (): Promise<Pick<FaultResult, 'handlesMore' | 'memoryMoreMB'>> => {
    const { handles, memoryBytes } = await observeVitals(stage.process().pid);
    return {
      handlesMore: handles - before.handles,
      memoryMoreMB: Math.round((memoryBytes - before.memoryBytes) / 100_000) / 10,
    };
  };
  const deadlineMs = performance.now() + SETTLE_MS;
  for (;;) {
    const more = await observe();
    const isBack = more.handlesMore <= HANDLES_TOLERANCE && more.memoryMoreMB <= MEMORY_TOLERANCE_MB;
    if (isBack) return more;
    if (performance.now() > deadlineMs) {
      throw new Error(
        `the process holds ${more.handlesMore} handles and ${more.memoryMoreMB} MB more than before`,
      );
    }
    await sleep(500);
  }
}

/** Places where a password or a token stands. */
function findSecrets(stage: Stage): string[] {
  const places = stage.findSecrets();
  if (TOKENS.test(stage.output) || TOKENS.test(JSON.stringify(stage.edge.reports))) places.push('token');
  return places;
}

/** Whether edgeHub's own rules refuse it: what a fault has refused is no fault of the report's. */
const isRefusable = ({ patch, jsonBytes }: Report): boolean =>
  findReportFault(patch, jsonBytes) !== undefined;

/** Whether the desired version that reports speak of never falls. */
function isAscending(reports: readonly Report[]): boolean {
  const versions = reports.flatMap(({ patch }) => {
    const { lastDesiredVersion } = toObject(patch);
    return typeof lastDesiredVersion === 'number' ? [lastDesiredVersion] : [];
  });
  return versions.every((version, index) => version >= (versions[index - 1] ?? 0));
}

const toSeconds = (durationMs: number): number => Math.round(durationMs / 100) / 10;
