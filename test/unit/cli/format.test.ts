import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { StatusDocument } from '#cli/documents';
import { formatCheck } from '#cli/format-check';
import { formatStatus } from '#cli/format-status';
import { formatBar, formatTable } from '#cli/table';
import { FAILURES } from '#core/reason';

const NOW_MS = Date.UTC(2026, 10, 25, 17, 52, 42);
const REFUSED = 'Get "http://127.0.0.1:8001/v2/": unauthorized: Incorrect Password';

/** As a module reported it. */
const STATUS: StatusDocument = {
  lastDesiredVersion: 6,
  lastDesiredStatus: { code: 400, description: 'images.wrong: the repository "Acme/X" must be lower-case' },
  agent: {
    version: '0.1.0',
    startedAt: '2026-11-25T17:48:12Z',
    engine: '20.10.24+dfsg1',
    platform: 'linux/amd64',
  },
  summary: { ready: false, desired: 5, pulled: 1, pulling: 1, waiting: 1, failed: 2, etaSeconds: 29 },
  registries: {
    office: {
      address: '127.0.0.1:8001',
      login: 'Failed',
      reason: 'Unauthorized',
      message: REFUSED,
      advice: FAILURES.Unauthorized.advice,
    },
    plant: {
      address: '127.0.0.1:8000',
      login: 'Succeeded',
      credential: 'password2',
      transport: 'relay',
    },
  },
  images: {
    analytics: { image: '127.0.0.1:8000/acme/analytics:0.1', phase: 'Pulled', sizeBytes: 27_000_000 },
    camera: {
      image: '127.0.0.1:8000/acme/camera:1.6',
      phase: 'Pulling',
      percent: 47,
      downloadedBytes: 33_001_071,
      totalBytes: 55_006_330,
    },
    gateway: {
      image: '127.0.0.1:8000/acme/gateway:2.1',
      phase: 'Waiting',
      reason: 'Queued',
      message: 'Waits for a free place among the pulls.',
    },
    updater: {
      image: '127.0.0.1:8000/acme/updater:1',
      phase: 'Failed',
      reason: 'NotFound',
      message: 'manifest unknown: manifest unknown',
      advice: FAILURES.NotFound.advice,
      attempts: 3,
      retryAt: '2026-11-25T17:53:16Z',
    },
    wrong: {
      image: 'Acme/X:1',
      phase: 'Failed',
      reason: 'InvalidImage',
      message: 'images.wrong: the repository "Acme/X" must be lower-case',
      advice: FAILURES.InvalidImage.advice,
    },
  },
};

it('the status is tables of registries and images, then what to do, then a summary, as docs/command-line.md shows it', () => {
  const [, sample] = /```text\n([^]+?)```/.exec(readFileSync('docs/command-line.md', 'utf8')) ?? [];
  expect(sample).toBe(formatStatus(STATUS, NOW_MS));
});

it('the status of a module that is ready, or knows nothing yet, says so', () => {
  const ready = { ...STATUS.summary, ready: true, desired: 1, pulled: 1, readyAt: '2026-11-25T16:47:42Z' };
  expect(formatStatus({ ...STATUS, summary: ready }, NOW_MS)).toMatch(
    /\nReady: 1 of 1 image, for 1 h 5 min\n$/,
  );
  const { lastDesiredVersion: _version, lastDesiredStatus: _status, ...unknown } = STATUS;
  const agent = { version: '1.0.0', startedAt: '2026-11-24T12:00:00Z' };
  const summary = { ready: false, desired: 0, pulled: 0, pulling: 0, waiting: 0, failed: 0 };
  expect(formatStatus({ ...unknown, agent, summary, registries: {}, images: {} }, NOW_MS)).toBe(
    'connected-registry-puller 1.0.0, no engine yet, no desired properties yet\n\nNot ready: nothing is known yet of what is desired, which edgeHub tells (iotedge list, iotedge logs edgeHub)\n',
  );
  const lastDesiredStatus = { code: 412, description: 'schemaVersion: must be "1.0"' };
  const refused = { ...unknown, agent, summary, lastDesiredStatus, registries: {}, images: {} };
  expect(formatStatus(refused, NOW_MS)).toMatch(
    /\nDesired properties: schemaVersion: must be "1.0"\n\nNot ready: no desired properties are in force\n$/,
  );
  const accepted = { code: 200, description: '' };
  expect(formatStatus({ ...refused, lastDesiredStatus: accepted }, NOW_MS)).toBe(
    'connected-registry-puller 1.0.0, no engine yet\n\nNot ready: the engine has not answered yet\n',
  );
  const away = { edgeHub: { since: '2026-11-25T17:40:42Z' } };
  expect(formatStatus({ ...unknown, agent, away, summary, registries: {}, images: {} }, NOW_MS)).toMatch(
    /\nNot connected to edgeHub for 12 min: what is desired does not come, /,
  );
});

it('a check is a block for each registry, with a mark for each step and advice below what failed', () => {
  const document = {
    registries: {
      plant: {
        address: '127.0.0.1:8000',
        ok: false,
        engine: [
          { step: 'reach', result: 'ok' },
          {
            step: 'login',
            credential: 'password',
            result: 'failed',
            reason: 'Unauthorized',
            message: 'Incorrect Password',
            advice: 'Make a new one.',
          },
        ],
        relay: [{ step: 'relay', result: 'skipped', message: 'The relay is off.' }],
        module: [{ step: 'connect', result: 'skipped', message: 'Nobody listens.' }],
      },
      wrong: {
        address: '',
        ok: false,
        engine: [{ step: 'entry', result: 'failed', message: 'must be host[:port]', advice: 'Mend it.' }],
        relay: [],
        module: [],
      },
    },
    omitted: 2,
  } as const;
  expect(formatCheck(document)).toBe(
    `plant at 127.0.0.1:8000: images cannot be pulled
  asked by the engine
    ✓ reach
    ✗ login with password  Unauthorized: Incorrect Password
      → Make a new one.
  through the relay of the module
    - relay                The relay is off.
  asked by the module itself, in its own network
    - connect              Nobody listens.

wrong: images cannot be pulled
    ✗ entry                must be host[:port]
      → Mend it.

2 more: check them by name.
`,
  );
  expect(formatCheck({ registries: {} })).toContain('No registry is listed');
});

it.each([
  [0, '░░░░░░░░░░░░░░░░░░░░'],
  [50, '██████████░░░░░░░░░░'],
  [100, '████████████████████'],
  [140, '████████████████████'],
  [-1, '░░░░░░░░░░░░░░░░░░░░'],
])('%i percent is %s', (percent, bar) => {
  expect(formatBar(percent)).toBe(bar);
});

it('a table has columns as wide as their widest cell, and no blanks at the end', () => {
  expect(
    formatTable([
      ['a', 'b'],
      ['long', ''],
      ['ü', 'c'],
    ]),
  ).toBe('a     b\nlong\nü     c\n');
});

it('a failed login is told once, and not for each image of its registry', () => {
  const { reason = '', message = '' } = STATUS.registries['office'] ?? {};
  const entry = {
    image: '127.0.0.1:8001/app:1',
    phase: 'Failed',
    reason,
    message,
    advice: 'Check it.',
  } as const;
  const text = formatStatus({ ...STATUS, images: { one: entry, two: entry } }, NOW_MS);
  expect(text.split(message)).toHaveLength(2);
});

/** Images that failed alike, or nearly. */
const toFailed = (count: number, toEntry: (index: number) => object): StatusDocument['images'] =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `image${index + 100}`,
      { image: `127.0.0.1:8000/app${index}:1`, phase: 'Failed', ...toEntry(index) } as const,
    ]),
  );

/** All blocks after the tables. */
const toTroubles = (status: Partial<StatusDocument>): string[] =>
  formatStatus({ ...STATUS, registries: {}, ...status }, NOW_MS)
    .split('\n\n')
    .slice(2, -1);

it('what many images failed with is told once, with some of their names and the next attempt of any', () => {
  const { reason, advice } = { reason: 'NotFound', advice: 'Check it.' };
  const toRetryAt = (index: number): string => new Date(NOW_MS + 60_000 - index * 100).toISOString();
  const failed = { reason, message: 'manifest unknown', advice, attempts: 3 };
  const images = toFailed(300, (index) => ({ ...failed, retryAt: toRetryAt(index) }));
  expect(toTroubles({ images })).toEqual([
    `image100, image101, image102, image103, image104, image105, image106, image107 and 292 more: NotFound (next in 30 s)
  manifest unknown
  → Check it.`,
  ]);
  // What engines say of it mostly names the image, and is another for each.
  const apart = toFailed(300, (index) => ({ ...failed, message: `app${index >> 1}: manifest unknown` }));
  expect(toTroubles({ images: apart })).toEqual([
    `image100, image101, image102, image103, image104, image105, image106, image107 and 292 more: NotFound
  image100, image101: app0: manifest unknown
  image102, image103: app1: manifest unknown
  image104, image105: app2: manifest unknown
  and 147 more (--json has them all)
  → Check it.`,
  ]);
});

it('an engine that does not answer is told as that, once, and edgeHub in one line', () => {
  const message = 'Nobody listens at /var/run/docker.sock';
  const { advice } = FAILURES.EngineUnavailable;
  const down = { reason: 'EngineUnavailable', message, advice };
  const { engine: _engine, platform: _platform, ...agent } = STATUS.agent;
  const away = { engine: { since: '2026-11-25T17:32:42Z', ...down } };
  const images = toFailed(300, () => down);
  expect(toTroubles({ agent, away, images })).toEqual([
    `Docker engine: EngineUnavailable (for 20 min)\n  ${message}\n  → ${advice}`,
  ]);
  expect(formatStatus({ ...STATUS, agent, away }, NOW_MS)).toMatch(
    /^connected-registry-puller 0.1.0, the engine does not answer, desired version 6\nDesired/,
  );
  const edgeHub = { since: '2026-11-25T17:40:42Z' };
  expect(formatStatus({ ...STATUS, away: { edgeHub } }, NOW_MS)).toMatch(
    /^.*Docker 20.* version 6\nNot connected to edgeHub for 12 min: .*\nDesired/,
  );
  const [head, below] = formatStatus({ ...STATUS, agent, away: { ...away, edgeHub } }, NOW_MS).split('\n');
  expect(readFileSync('docs/command-line.md', 'utf8')).toContain(`\`\`\`text\n${head}\n${below}\n\`\`\``);
});
