import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeDistrolessNodejs } from './distroless-nodejs.ts';
import type { Architecture } from './distroless-nodejs.ts';
import { writeImageArchive } from './image-archive.ts';
import { makeNodeSlim } from './node-slim.ts';
import { withTempDir } from './temp-dir.ts';

export type { Architecture };

/** What {@link makeBaseImages} takes. */
export interface BaseImageOptions {
  /** With the project's package.json and package-lock.json. */
  readonly projectDir: string;
  /** Where archives are kept for the next time. */
  readonly cacheDir: string;
  readonly architecture: Architecture;
}

/** An image that stands in for a published one, under its name. */
export interface BaseImage {
  readonly reference: string;
  /** To be loaded into an engine. */
  readonly archivePath: string;
}

interface Recipe {
  readonly reference: string;
  /** Of the machine that builds, or that the result is for. */
  readonly architecture: Architecture;
  readonly config: Readonly<Record<string, unknown>>;
  readonly makeLayer: (tarPath: string) => Promise<void>;
}

/** Where Debian keeps the CA certificates that it trusts. */
const CERTIFICATES_PATH = '/etc/ssl/certs/ca-certificates.crt';

/**
 * Makes the base images of the Dockerfile for `architecture` without a container registry: of Debian's packages and of
 * Node.js as npm has it. Needs root, Debian's `mmdebstrap` and an amd64 machine. The first time takes about 2 minutes.
 * @returns them in the order of the Dockerfile's stages. The base of the last stage goes by the same name whatever its
 * architecture, so that in an engine the one loaded last counts.
 */
export async function makeBaseImages(options: BaseImageOptions): Promise<readonly BaseImage[]> {
  const { projectDir, cacheDir, architecture } = options;
  const read = (file: string) => readFile(join(projectDir, file), 'utf8');
  const project = JSON.parse(await read('package.json')) as { devDependencies: { node: string } };
  const nodeVersion = project.devDependencies.node;
  const [major = ''] = nodeVersion.split('.');
  const recipes: readonly Recipe[] = [
    {
      reference: `node:${major}-bookworm-slim`,
      architecture: 'amd64',
      config: { Cmd: ['node'] },
      makeLayer: (tarPath) => makeNodeSlim({ projectDir, nodeVersion, tarPath }),
    },
    {
      reference: `gcr.io/distroless/nodejs${major}-debian12:latest`,
      architecture,
      config: { Entrypoint: ['/nodejs/bin/node'], Env: [`SSL_CERT_FILE=${CERTIFICATES_PATH}`] },
      makeLayer: (tarPath) =>
        makeDistrolessNodejs({ architecture, nodeVersion, certificatesPath: CERTIFICATES_PATH, tarPath }),
    },
  ];
  await mkdir(cacheDir, { recursive: true });
  const lock = await read('package-lock.json');
  const key = createHash('sha256').update(lock).digest('hex').slice(0, 12);
  const images: BaseImage[] = [];
  for (const recipe of recipes) {
    const { reference } = recipe;
    const prefix = `${reference.replaceAll(/[/:]/g, '_')}-${recipe.architecture}-`;
    images.push({ reference, archivePath: await ensureArchive(recipe, cacheDir, { prefix, key }) });
  }
  return images;
}

async function ensureArchive(
  { makeLayer, ...image }: Recipe,
  cacheDir: string,
  { prefix, key }: { readonly prefix: string; readonly key: string },
): Promise<string> {
  const archivePath = join(cacheDir, `${prefix}${key}.tar`);
  const kept = (await readdir(cacheDir)).filter((name) => name.startsWith(prefix));
  if (kept.includes(basename(archivePath))) return archivePath;
  for (const name of kept) await rm(join(cacheDir, name), { force: true });

  await withTempDir(async (dir) => {
    const layerPath = join(dir, 'root.tar');
    await makeLayer(layerPath);
    const partPath = `${archivePath}.${process.pid}`;
    await writeImageArchive({ ...image, layerPath, archivePath: partPath });
    await rename(partPath, archivePath);
  });
  return archivePath;
}
