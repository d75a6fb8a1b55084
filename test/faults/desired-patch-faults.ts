import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';

const group = 'edgeHub and workload API';
const TOPIC = '$iothub/twin/PATCH/properties/desired/?$version=';

const stopPatches = ({ edge }: Stage): void => void (edge.faults.dropDesiredPatches = true);
const sendPatches = ({ edge }: Stage): void => void (edge.faults.dropDesiredPatches = false);
const versionOf = ({ edge }: Stage): number => Number(edge.desired()['$version']);

/** The SDK throws at some patches: then it is a new client that fetches the twin, after a backoff. */
const untilFetched = (stage: Stage): Promise<unknown> => stage.waitForReady(120_000);

/** The real patch is lost, and this comes in its place. */
const inItsPlace = (name: string, body: string): Fault => ({
  group,
  name: `a desired patch that is ${name} comes in place of the real one`,
  inject: stopPatches,
  async whileItLasts(stage) {
    stage.edge.publish(`${TOPIC}${versionOf(stage)}`, body);
    await untilFetched(stage);
    return 'the whole twin was fetched';
  },
  heal: sendPatches,
});

/** What can happen to a change on its way from the cloud. */
export const desiredPatchFaults: readonly Fault[] = [
  inItsPlace('not JSON', '{"images":'),
  {
    ...inItsPlace('not JSON, for its password stands without quotes,', ''),
    async whileItLasts(stage) {
      const { plant, edge, output } = stage;
      const body = JSON.stringify({ registryCredentials: { plant } });
      edge.publish(`${TOPIC}${versionOf(stage)}`, body.replace(`"${plant.password}"`, plant.password));
      await stage.waitForReady();
      const pieces = Array.from({ length: plant.password.length - 8 }, (_, at) =>
        plant.password.slice(at, at + 8),
      );
      expect(pieces.filter((piece) => stage.output.slice(output.length).includes(piece))).toEqual([]);
      return 'no piece of it is in the log';
    },
  },
  inItsPlace('empty', ''),
  inItsPlace('null', 'null'),
  inItsPlace('an array', '[1,2]'),
  inItsPlace('a text', '"images"'),
  {
    group,
    name: 'a desired patch comes three times',
    inject: () => undefined,
    async whileItLasts(stage) {
      const { edge } = stage;
      for (let copy = 0; copy < 2; copy += 1)
        edge.publish(`${TOPIC}${versionOf(stage)}`, JSON.stringify(edge.desired()));
      await stage.waitForReady();
      return 'taken once';
    },
    heal: () => undefined,
  },
  {
    group,
    name: 'desired patches come in the wrong order',
    inject: stopPatches,
    async whileItLasts(stage) {
      const { edge } = stage;
      const older = edge.desired();
      await stage.want();
      for (const { $version, ...patch } of [edge.desired(), older])
        edge.publish(`${TOPIC}${String($version)}`, JSON.stringify({ ...patch, $version }));
      await stage.waitForReady();
      return 'the newer one stays in force';
    },
    heal: sendPatches,
  },
  {
    group,
    name: 'a desired patch is lost, and the connection with it',
    inject: stopPatches,
    async whileItLasts({ edge, until }) {
      const { connections } = edge;
      edge.cutConnections();
      await until('a new connection', () => edge.connections > connections);
      return 'the twin is fetched with the new connection';
    },
    heal: sendPatches,
  },
  emptyTwin('edgeHub answers with an empty twin without $version', {}),
  emptyTwin('edgeHub answers with an empty twin without $version, at the start', { isAtStart: true }),
];

/** How many images the engine has, once nothing is being removed of what faults before wanted. */
async function countAtRest({ engine, until }: Stage): Promise<number> {
  let count = -1;
  await until('an engine at rest', async () => {
    const before = count;
    await sleep(2000);
    count = (await engine.images()).length;
    return count === before;
  });
  return count;
}

function emptyTwin(name: string, more: Pick<Fault, 'isAtStart'>): Fault {
  const countTold = ({ process }: Stage): number =>
    process().output.split('edgeHub knows no desired properties').length - 1;
  let before = 0;
  let toldBefore = 0;
  return {
    group,
    name,
    ...more,
    async inject(stage) {
      stage.settings.set('unlisted', 'remove');
      stage.desireAll();
      if (more.isAtStart !== true) await stage.waitForReady();
      before = await countAtRest(stage);
      // Of a process that is to start, none.
      toldBefore = more.isAtStart === true ? 0 : countTold(stage);
      stage.edge.faults.emptyTwin = true;
      stage.edge.cutConnections();
    },
    async whileItLasts(stage) {
      const { edge, engine, until } = stage;
      await until('an empty twin', () => countTold(stage) > toldBefore);
      expect(await engine.images()).toHaveLength(before);
      expect(Object.keys(edge.reported()['images'] ?? {})).not.toEqual([]);
      return 'nothing was removed';
    },
    heal: ({ edge }) => void (edge.faults.emptyTwin = false),
    // edgeHub is asked again every 30 s.
    recoveryMs: 120_000,
  };
}
