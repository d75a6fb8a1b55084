import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { issueEdgeCertificate } from '#lab/edge';
import { ensurePrerequisites } from '#lab/prerequisites';
import { startRegistry } from '#lab/registry/registry';
import type { RegistryRequest } from '#lab/registry/request-log';
import type { Seen } from '../fleet-host.ts';
import { startHost } from '../fleet-hosts.ts';
import { toMany } from '../image-sets.ts';
import type { BenchOptions, Findings } from '../part.ts';
import type { Table } from '../table.ts';
import { admitDevice, DEVICE, pushImages } from '../scene.ts';
import { toSpread } from '../statistics.ts';
import { formatSpread } from '../table.ts';

export const what = 'a fleet of 200 devices at one registry, all told at once';
export const lane = 'counts';

const IMAGES = 5;
/** Processes that share the devices out among them. */
const HOSTS = 4;
const REST_MS = 5000;

/** How the images of a fleet come. */
type Way = 'by their engines' | 'through their relays';

/** A fleet whose engines pull by themselves and, where the relay contends too, one that has it all by default. */
export async function run({
  isQuick,
  hasRelay,
  devices: count = isQuick ? 8 : 200,
}: BenchOptions): Promise<Findings> {
  await ensurePrerequisites();
  const found = [await rollOut(count, 'by their engines')];
  if (hasRelay) found.push(await rollOut(count, 'through their relays'));
  return {
    tables: found.flatMap(({ tables }) => tables),
    bounds: found.flatMap(({ bounds }) => bounds),
    figures: found.map(({ figures }) => figures),
  };
}

/** Modules as processes, each with a twin and an engine of its own. */
async function rollOut(count: number, way: Way): Promise<Findings> {
  const dir = await mkdtemp(join(tmpdir(), 'fleet-'));
  const registry = await startRegistry({ dir: join(dir, 'registry') });
  const hosts = Array.from({ length: Math.min(HOSTS, count) }, startHost);
  try {
    admitDevice(registry);
    const images = await pushImages(registry, toMany(IMAGES, 'fleet'));
    const plant = { address: registry.address, ...DEVICE };
    const desired = {
      schemaVersion: '1.0',
      registryCredentials: { plant },
      images: {},
      settings: { reportIntervalSeconds: 600 },
    };
    const issued = await issueEdgeCertificate(dir);
    const names = Array.from({ length: count }, (_, index) => String(index));
    await Promise.all(
      hosts.map((host, number) =>
        host.tell({
          kind: 'start',
          dir,
          names: names.filter((_, index) => index % hosts.length === number),
          desired,
          issued,
          hasRelay: way === 'through their relays',
        }),
      ),
    );
    await delay(REST_MS);
    const requestsBefore = registry.requests.length;
    const seen = (await Promise.all(hosts.map((host) => host.tell({ kind: 'roll out', images })))).flat();
    await delay(REST_MS);
    const requests = registry.requests.slice(requestsBefore);
    await Promise.all(hosts.map((host) => host.tell({ kind: 'stop' })));
    return toFindings({ count, way, seen, requests });
  } finally {
    await Promise.all(hosts.map((host) => host.end()));
    await registry.close();
    await rm(dir, { recursive: true, force: true });
  }
}

function toFindings(found: {
  readonly count: number;
  readonly way: Way;
  readonly seen: readonly Seen[];
  readonly requests: readonly RegistryRequest[];
}): Findings {
  const { count, way, seen, requests } = found;
  const anonBytes = seen.reduce((sum, device) => sum + device.anonBytes, 0) / count;
  const rates = toRates(requests);
  const mean = requests.length / rates.length;
  const peak = Math.max(...rates);
  const bytes = requests.reduce((sum, request) => sum + request.bytes, 0);
  const refused = requests.filter(({ status, path }) => status >= 400 && path !== '/v2/').length;
  const mostReports = Math.max(...seen.map(({ reports }) => reports));
  const ready = toSpread(seen.map(({ readySeconds }) => readySeconds));
  return {
    tables: [
      {
        title: `${count} devices with ${IMAGES} images each, all told at once, ${way}`,
        columns: ['', ''],
        rows: [
          ['seconds until a device is ready, median (first–last)', formatSpread(ready, 1)],
          [
            'reports a device, median (least–most)',
            formatSpread(toSpread(seen.map(({ reports }) => reports)), 0),
          ],
          ['requests at the registry for each device', (requests.length / count).toFixed(1)],
          ['… bytes, kB', (bytes / count / 1000).toFixed(0)],
          ['requests a second at the registry, mean', mean.toFixed(0)],
          ['… peak', String(peak)],
          ['requests that were refused', String(refused)],
          ['anonymous memory of a module before, MB', (anonBytes / 1024 ** 2).toFixed(1)],
        ],
      },
      toRateTable(rates, way),
    ],
    bounds: [
      { what: `peak of the request rate × its mean, ${way}`, value: peak / mean, atMost: 3 },
      {
        what: `most reports of a device, ${way}`,
        value: mostReports,
        atMost: 2 + 2 * IMAGES,
        quickAtMost: 2 * (2 + 2 * IMAGES),
      },
      {
        what: `requests and reports that were refused, ${way}`,
        value: refused + sumRefused(seen),
        atMost: 0,
        quickAtMost: 0,
      },
    ],
    figures: { ...found, requests: undefined, rates },
  };
}

/** Ten seconds a row. */
function toRateTable(rates: readonly number[], way: Way): Table {
  const tens = Array.from({ length: Math.ceil(rates.length / 10) }, (_, row) => row * 10);
  return {
    title: `Requests at the registry, second by second, ${way}`,
    columns: ['from second', ...Array.from({ length: 10 }, (_, second) => `+${second}`)],
    rows: tens.map((from) => [
      String(from),
      ...Array.from({ length: 10 }, (_, second) => String(rates[from + second] ?? '')),
    ]),
  };
}

const sumRefused = (seen: readonly Seen[]): number =>
  seen.reduce((sum, { refusedReports }) => sum + refusedReports, 0);

/** Requests in each second, from the first to the last one. */
function toRates(requests: readonly RegistryRequest[]): number[] {
  const firstMs = Math.min(...requests.map(({ atMs }) => atMs));
  const rates: number[] = [];
  for (const { atMs } of requests) {
    const second = Math.floor((atMs - firstMs) / 1000);
    rates[second] = (rates[second] ?? 0) + 1;
  }
  return Array.from(rates, (rate) => rate ?? 0);
}
