import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ensurePrerequisites } from '#lab/prerequisites';
import { startRegistry } from '#lab/registry/registry';
import type { RegistryRequest } from '#lab/registry/request-log';
import { startDevice } from '../devices.ts';
import type { Device } from '../devices.ts';
import { toMany } from '../image-sets.ts';
import type { BenchOptions, Findings } from '../part.ts';
import { readMemory } from '../process-memory.ts';
import { waitForReady } from '../ready.ts';
import { admitDevice, DEVICE, pushImages } from '../scene.ts';
import { toSpread } from '../statistics.ts';
import { formatSpread } from '../table.ts';

export const what = 'a fleet of 200 devices at one registry, all told at once';

const IMAGES = 5;
/** So many start at once: on two cores more would only wait for each other. */
const STARTING = 8;
const REST_MS = 5000;

/** What was seen of one device from the patch on. */
interface Seen {
  readonly readySeconds: number;
  readonly reports: number;
  readonly refusedReports: number;
}

/** Modules as processes, each with a twin and an engine of its own. */
export async function run({ isQuick, devices: count = isQuick ? 8 : 200 }: BenchOptions): Promise<Findings> {
  await ensurePrerequisites();
  // Each module is ended when this process is.
  process.setMaxListeners(count + process.getMaxListeners());
  const dir = await mkdtemp(join(tmpdir(), 'fleet-'));
  const registry = await startRegistry({ dir: join(dir, 'registry') });
  const devices: Device[] = [];
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
    const numbers = Array.from({ length: count }, (_, index) => index);
    await Promise.all(
      Array.from({ length: STARTING }, async () => {
        for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) {
          const device = await startDevice(join(dir, String(number)), desired);
          devices.push(device);
          await device.edge.waitForReported(({ agent }) => agent !== undefined, 300_000);
        }
      }),
    );
    await delay(REST_MS);
    const memory = await Promise.all(devices.map(({ pid }) => readMemory(pid)));
    const requestsBefore = registry.requests.length;
    const startedMs = performance.now();
    const seen = await Promise.all(devices.map((device) => rollOut(device, images, startedMs)));
    await delay(REST_MS);
    const requests = registry.requests.slice(requestsBefore);
    const anonBytes = memory.reduce((sum, { anonBytes: own }) => sum + own, 0) / count;
    return toFindings({ count, seen, requests, anonBytes });
  } finally {
    await Promise.all(devices.map((device) => device.stop()));
    await registry.close();
    await rm(dir, { recursive: true, force: true });
  }
}

async function rollOut({ edge }: Device, images: object, startedMs: number): Promise<Seen> {
  const before = edge.reports.length;
  edge.patchDesired({ images });
  await waitForReady(edge, IMAGES, 900_000);
  const readySeconds = (performance.now() - startedMs) / 1000;
  const reports = edge.reports.slice(before);
  return {
    readySeconds,
    reports: reports.length,
    refusedReports: reports.filter(({ status }) => status !== 204).length,
  };
}

function toFindings(found: {
  readonly count: number;
  readonly seen: readonly Seen[];
  readonly requests: readonly RegistryRequest[];
  readonly anonBytes: number;
}): Findings {
  const { count, seen, requests, anonBytes } = found;
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
        title: `${count} devices with ${IMAGES} images each, all told at once`,
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
      {
        title: 'Requests at the registry, second by second',
        columns: ['second', 'requests'],
        rows: rates.map((rate, second) => [String(second), String(rate)]),
      },
    ],
    bounds: [
      { what: 'peak of the request rate × its mean', value: peak / mean, atMost: 3 },
      {
        what: 'most reports of a device',
        value: mostReports,
        atMost: 2 + 2 * IMAGES,
        quickAtMost: 2 * (2 + 2 * IMAGES),
      },
      {
        what: 'requests and reports that were refused',
        value: refused + sumRefused(seen),
        atMost: 0,
        quickAtMost: 0,
      },
    ],
    figures: { ...found, requests: undefined, rates },
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
