import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { withTempDir } from './temp-dir.ts';

const run = promisify(execFile);

/** An image of one layer, to be loaded into an engine. */
export interface ImageArchive {
  /** `name:tag`. */
  readonly reference: string;
  readonly architecture: string;
  /** The image's `config`: `Entrypoint`, `Env` and the like. */
  readonly config: Readonly<Record<string, unknown>>;
  /** A plain tar of the root filesystem; it is moved. */
  readonly layerPath: string;
  /** Gets what `docker load` takes. */
  readonly archivePath: string;
}

/**
 * Writes an image as `docker save` does. (`docker import` takes its own machine's architecture for that of any image.)
 * @see https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format
 */
export async function writeImageArchive(image: ImageArchive): Promise<void> {
  await withTempDir(async (dir) => {
    const layer = createHash('sha256');
    await pipeline(createReadStream(image.layerPath), layer);
    const config = JSON.stringify({
      architecture: image.architecture,
      os: 'linux',
      config: image.config,
      rootfs: { type: 'layers', diff_ids: [`sha256:${layer.digest('hex')}`] },
    });
    const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
    await writeFile(join(dir, configName), config);
    const manifest = [{ Config: configName, RepoTags: [image.reference], Layers: ['layer.tar'] }];
    await writeFile(join(dir, 'manifest.json'), JSON.stringify(manifest));
    await rename(image.layerPath, join(dir, 'layer.tar'));
    const files = ['manifest.json', configName, 'layer.tar'];
    await run('tar', ['--create', '--file', image.archivePath, '--directory', dir, ...files]);
  });
}
