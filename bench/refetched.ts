/**
 * `npm run bench:refetched`: breaks a pull in ways that a site knows, and counts at the registry what it had to send
 * again: to this module by its two transports, to `docker pull` called again until it succeeds, and to a program that
 * gives up a pull after a time and begins anew, as others do. `LAB_DOCKERD` and `LAB_CONTAINERD_SNAPSHOTTER` name another
 * engine, and words after `--` choose among events and pullers (`-- cut relay`). Keeps the figures in docs/relay.json and writes the table of docs/reliability.md anew. Needs root.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { startLab } from '#lab/lab';
import { ensurePrerequisites } from '#lab/prerequisites';
import { startTestEngine } from '#test/engine-under-test';
import { formatRefetched, mergeRefetched, putRefetched } from './refetched-table.ts';
import type { Refetched } from './refetched-table.ts';
import { breakPull, EVENTS, WAYS } from './refetched-pulls.ts';

const RECORD = 'docs/relay.json';
const PAGE = 'docs/reliability.md';

await ensurePrerequisites();
await import('../scripts/build.ts');
const results: Refetched[] = [];
const lab = await startLab({
  hasRelay: true,
  startEngine: startTestEngine,
  environment: (dir) => ({ storageFolder: dir }),
});
try {
  const engine = await lab.engine.version();
  const isContainerd = process.env['LAB_CONTAINERD_SNAPSHOTTER'] === 'true';
  const name = `${/^\d+\.\d+/.exec(engine)?.[0] ?? engine}, ${isContainerd ? 'containerd' : 'overlay2'}`;
  for (const event of choose(EVENTS)) {
    for (const way of choose(WAYS)) {
      const figure = { engine: name, event, way, ...(await breakPull(lab, event, way)) };
      console.log(JSON.stringify(figure));
      results.push(figure);
    }
  }
} finally {
  await lab.stop();
}
const before = JSON.parse(await readFile(RECORD, 'utf8').catch(() => '[]')) as readonly Refetched[];
const record = mergeRefetched(before, results);
await writeFile(RECORD, `${JSON.stringify(record, undefined, 2)}\n`);
await writeFile(PAGE, putRefetched(await readFile(PAGE, 'utf8'), formatRefetched(record)));
process.exit();

/** Those that the command line names; all where it names none of them. */
function choose<T extends string>(all: readonly T[]): readonly T[] {
  const chosen = all.filter((one) => process.argv.includes(one));
  return chosen.length > 0 ? chosen : all;
}
