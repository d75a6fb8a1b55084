import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { saveImage } from '#lab/container/build';
import { callEngineJson } from '#lab/engine/engine-api';
import packageJson from '../../package.json' with { type: 'json' };

const run = promisify(execFile);
const { dockerHost, images } = inject('built');

interface Inspected {
  readonly Architecture: string;
  /** Unpacked, in bytes. */
  readonly Size: number;
  readonly RootFS: { readonly Layers: readonly string[] };
  readonly Config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly Cmd: readonly string[] | null;
    readonly Labels: Readonly<Record<string, string>>;
  };
}

const inspect = async (reference: string) =>
  (await callEngineJson(dockerHost, { path: `/images/${reference}/json` })) as Inspected;

describe.each(images)('the image for $architecture', ({ architecture, reference, again, base }) => {
  let dir: string;
  /** Of the layers above the base, as tar files. */
  let layerPaths: readonly string[];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'puller-image-'));
    await saveImage(dockerHost, reference, dir);
    const [manifest] = JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8')) as [
      { Layers: string[] },
    ];
    const { RootFS } = await inspect(base);
    layerPaths = manifest.Layers.slice(RootFS.Layers.length).map((path) => join(dir, path));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test('has the same layers when it is built again', async () => {
    const { RootFS, Size } = await inspect(reference);
    const layers = RootFS.Layers;
    const lines = layers.map((layer) => `\n  ${layer}`);
    console.log(
      `${architecture}, twice built: ${(Size / 1e6).toFixed(1)} MB in ${layers.length} layers${lines.join('')}`,
    );
    expect((await inspect(again)).RootFS.Layers).toEqual(layers);
    expect(layers.slice(0, 1)).toEqual((await inspect(base)).RootFS.Layers);
  });

  test('is of its architecture and runs the bundle below an init as user 1000', async () => {
    const { Architecture, Config } = await inspect(reference);
    expect(Architecture).toBe(architecture);
    expect(Config.User).toBe('1000:1000');
    expect(Config.Entrypoint.slice(0, 3)).toEqual(['/usr/bin/tini', '--', '/nodejs/bin/node']);
    expect(Config.Entrypoint.at(-1)).toBe('dist/main.js');
    expect(Config.Cmd).toBeNull();
    expect(Config.Labels).toMatchObject({
      'org.opencontainers.image.title': packageJson.name,
      'org.opencontainers.image.version': packageJson.version,
    });
  });

  test('holds nothing above its base but the init, the bundle with its licences and an empty folder for storage', async () => {
    const files: string[] = [];
    for (const path of layerPaths) {
      const { stdout } = await run('tar', ['--list', '--file', path]);
      files.push(...stdout.trim().split('\n'));
    }
    expect([...new Set(files)].toSorted()).toEqual([
      'app/',
      'app/LICENSE',
      'app/dist/',
      'app/dist/NOTICE',
      'app/dist/cli.js',
      'app/dist/healthcheck.js',
      'app/dist/main.js',
      'app/dist/package.json',
      'app/dist/sbom.cdx.json',
      'iotedge/',
      'iotedge/storage/',
      'usr/',
      'usr/bin/',
      'usr/bin/tini',
      'usr/local/',
      'usr/local/bin/',
      'usr/local/bin/check',
      'usr/local/bin/pull',
      'usr/local/bin/status',
      'usr/local/bin/version',
    ]);
  });

  test('weighs less than 3 MB compressed above its base', async () => {
    let bytes = 0;
    const count = new Writable({
      write(chunk: Buffer, _, done) {
        bytes += chunk.length;
        done();
      },
    });
    for (const path of layerPaths)
      await pipeline(createReadStream(path), createGzip(), count, { end: false });
    console.log(`${architecture}: ${bytes} bytes above the base`);
    expect(bytes).toBeGreaterThan(100_000);
    expect(bytes).toBeLessThan(3e6);
  });
});

test('both images hold the same bundle', async () => {
  const [amd64, arm64] = await Promise.all(
    images.map(({ reference }) => readFileOf(reference, 'app/dist/main.js')),
  );
  expect(amd64?.length).toBeGreaterThan(100_000);
  expect(amd64?.equals(arm64 ?? Buffer.alloc(0))).toBe(true);
});

/** Reads a file out of an image without running it. */
async function readFileOf(reference: string, path: string): Promise<Buffer> {
  const options = { maxBuffer: 64 * 1024 ** 2, encoding: 'buffer' as const };
  const { Id } = (await callEngineJson(dockerHost, {
    method: 'POST',
    path: '/containers/create',
    body: { Image: reference },
  })) as { Id: string };
  try {
    const { stdout } = await run(
      'sh',
      ['-c', `docker --host "$0" cp "$1" - | tar --extract --to-stdout`, dockerHost, `${Id}:/${path}`],
      options,
    );
    return stdout;
  } finally {
    await callEngineJson(dockerHost, { method: 'DELETE', path: `/containers/${Id}` });
  }
}
