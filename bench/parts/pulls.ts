import { setTimeout as delay } from 'node:timers/promises';
import { watchArrivals } from '../arrivals.ts';
import type { Contender, Turn, TurnResult } from '../contenders.ts';
import {
  FLOOR,
  FLOOR_OF_THREE,
  listContenders,
  LOOP,
  MODULE,
  RELAYING_MODULE,
  WIDE_MODULE,
} from '../contenders.ts';
import type { Bound, BenchOptions, Findings } from '../part.ts';
import { ensurePrerequisites } from '#lab/prerequisites';
import { pushImages, settleDisk, startScene, toReferences } from '../scene.ts';
import type { Scene, Wanted } from '../scene.ts';
import { toRatios, toSpread } from '../statistics.ts';
import { formatSpread } from '../table.ts';
import type { Table } from '../table.ts';
import { LINKS } from '../links.ts';
import type { Link } from '../links.ts';
import { toImageSets } from '../image-sets.ts';
import { toOrder } from '../turns.ts';

/** What one set of images over one link took each contender, round by round. */
export interface Trial {
  readonly set: string;
  readonly link: string;
  readonly turns: ReadonlyMap<string, readonly TimedTurn[]>;
}

interface TimedTurn extends TurnResult {
  /** Until an image was there, on average; absent where the engine does not tell of each. */
  readonly meanSeconds?: number;
}

export const what = 'time until the engine has N images, against what a person would type';

/** Each contender in turn, round after round, with the engine emptied between. */
export async function run({
  isQuick,
  rounds = isQuick ? 2 : undefined,
  only,
  hasRelay,
}: BenchOptions): Promise<Findings> {
  await ensurePrerequisites(isQuick ? QUICK_PROGRAMS : PROGRAMS);
  const scene = await startScene();
  try {
    const contenders = listContenders({ hasRelay }).filter(({ name }) => !isQuick || QUICK.has(name));
    const trials: Trial[] = [];
    for (const [set, images] of Object.entries(toImageSets(isQuick))) {
      const wanted = await pushImages(scene.registry, images);
      for (const link of isQuick ? LINKS.slice(0, 1) : LINKS) {
        if (!`${set}, ${link.name}`.includes(only)) continue;
        const trial = {
          scene,
          contenders,
          set,
          wanted,
          link,
          rounds: rounds ?? link.toRounds(Object.keys(images).length),
        };
        trials.push(await runTrial(trial));
      }
    }
    return toFindings(trials);
  } finally {
    await scene.stop();
  }
}

const LATE_MS = 1000;

/** What contenders are, beside the lab's own, and the Debian package of each. */
const QUICK_PROGRAMS = { docker: 'docker.io' };
const PROGRAMS = { ...QUICK_PROGRAMS, 'docker-compose': 'docker-compose', skopeo: 'skopeo' };

const QUICK: ReadonlySet<string> = new Set([LOOP, FLOOR, MODULE]);

async function runTrial(trial: {
  readonly scene: Scene;
  readonly contenders: readonly Contender[];
  readonly set: string;
  readonly wanted: Wanted;
  readonly link: Link;
  readonly rounds: number;
}): Promise<Trial> {
  const { scene, contenders, set, wanted, link, rounds } = trial;
  const turns = new Map<string, TimedTurn[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, pull } of toOrder(contenders, round)) {
      await scene.engine.removeAllImages();
      await settleDisk();
      Object.assign(scene.registry.faults, link.toFaults(round));
      const result = await takeTurn(pull, { scene, wanted });
      turns.get(name)?.push(result);
      console.error(`${set}, ${link.name}, round ${round + 1}: ${name} ${result.seconds.toFixed(2)} s`);
      await requireAll(scene, wanted, name);
    }
  }
  await scene.engine.removeAllImages();
  return { set, link: link.name, turns };
}

async function takeTurn(pull: Contender['pull'], turn: Turn): Promise<TimedTurn> {
  const references = toReferences(turn.scene, turn.wanted);
  const arrivals = await watchArrivals(turn.scene.engine.dockerHost, references);
  const result = await pull(turn);
  // What is told of the last one may still be under way.
  await Promise.race([arrivals.all, delay(LATE_MS)]);
  const { moments, stop } = arrivals;
  stop();
  if (moments.length < references.length) return result;
  const mean = moments.reduce((sum, moment) => sum + moment, 0) / moments.length;
  return { ...result, meanSeconds: (mean - result.startedMs) / 1000 };
}

/** A contender that is fast because it left something out would be compared with nothing. */
async function requireAll({ engine, registry }: Scene, wanted: Wanted, name: string): Promise<void> {
  const held = new Set((await engine.images()).flatMap(({ references }) => references));
  const missing = Object.values(wanted).filter((image) => !held.has(`${registry.address}/${image}`));
  if (missing.length > 0) throw new Error(`${name} left out ${missing.join(', ')}`);
}

/** What the turns of all contenders come to. */
export function toFindings(trials: readonly Trial[]): Findings {
  return {
    tables: [...trials.map(toTable), toFirstRequests(trials)],
    bounds: trials.flatMap(toBounds),
    figures: trials.map(({ turns, ...trial }) => ({ ...trial, turns: Object.fromEntries(turns) })),
  };
}

const toSeconds = ({ turns }: Trial, name: string): number[] =>
  (turns.get(name) ?? []).map(({ seconds }) => seconds);

function toTable(trial: Trial): Table {
  const rows = [...trial.turns].map(([name, results]) => {
    const seconds = toSeconds(trial, name);
    const retries = results.reduce((sum, result) => sum + (result.retries ?? 0), 0);
    return [
      name,
      formatSpread(toSpread(seconds)),
      formatSpread(toRatios(seconds, toSeconds(trial, FLOOR))),
      formatSpread(toRatios(seconds, toSeconds(trial, LOOP))),
      toMean(results),
      formatSpread(toSpread(results.map(({ busyCores }) => busyCores))),
      results[0]?.retries === undefined ? '' : String(retries),
    ];
  });
  return {
    title: `${trial.set}, ${trial.link}`,
    columns: [
      '',
      'seconds',
      '× the floor',
      '× the loop',
      'an image, on average',
      'cores busy',
      'given again',
    ],
    rows,
  };
}

/** Nothing where a turn did not tell. */
function toMean(results: readonly TimedTurn[]): string {
  const means = results.map(({ meanSeconds = Number.NaN }) => meanSeconds);
  return means.some(Number.isNaN) ? '' : formatSpread(toSpread(means));
}

function toFirstRequests(trials: readonly Trial[]): Table {
  return {
    title:
      'The module: from the twin patch to the first request at the registry, and CPU time to the last image',
    columns: ['', 'ms to the first request', 'ms of CPU', '… through its relay'],
    rows: trials.map((trial) => [
      `${trial.set}, ${trial.link}`,
      formatSpread(toSpread(toFirsts(trial)), 0),
      toOwnCpu(trial, MODULE),
      toOwnCpu(trial, RELAYING_MODULE),
    ]),
  };
}

function toOwnCpu({ turns }: Trial, name: string): string {
  const results = turns.get(name);
  if (results === undefined) return '';
  return formatSpread(toSpread(results.map(({ ownCpuMs = Number.NaN }) => ownCpuMs)), 0);
}

const toFirsts = ({ turns }: Trial): number[] =>
  (turns.get(MODULE) ?? []).map(({ firstRequestMs = Number.NaN }) => firstRequestMs);

function toBounds(trial: Trial): Bound[] {
  const where = `${trial.set}, ${trial.link}`;
  return [
    ...toBound(trial, [MODULE, FLOOR], { atMost: 1.05, quickAtMost: 3 }),
    ...toBound(trial, [MODULE, FLOOR_OF_THREE], { atMost: 1.05 }),
    ...toBound(trial, [WIDE_MODULE, FLOOR], { atMost: 1.05 }),
    {
      what: `${where}: ms from the patch to the first request`,
      value: toSpread(toFirsts(trial)).median,
      atMost: 250,
    },
    ...(trial.set.startsWith('12 ')
      ? toBound(trial, [MODULE, LOOP], { atMost: 0.65, quickAtMost: 1.5 })
      : []),
  ];
}

/** Nothing where one of the two did not take part. */
function toBound(
  trial: Trial,
  [name, other]: readonly [string, string],
  limits: Pick<Bound, 'atMost' | 'quickAtMost'>,
): Bound[] {
  if (!trial.turns.has(name) || !trial.turns.has(other)) return [];
  const { median: value, least } = toRatios(toSeconds(trial, name), toSeconds(trial, other));
  return [{ what: `${trial.set}, ${trial.link}: ${name} × ${other}`, value, least, ...limits }];
}
