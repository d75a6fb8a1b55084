import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SourceMapPayload } from 'node:module';
import { build } from 'esbuild';
import { slim } from '../scripts/slim.ts';
import { webAssets } from '../scripts/web-assets.ts';

/** The module bundled as it is shipped, with a map of where each line comes from. */
export interface ProfiledBundle {
  readonly dir: string;
  readonly programPath: string;
  readMap(): Promise<SourceMapPayload>;
}

/** Bundles into a new folder, which whoever asked for it removes. */
export async function buildProfiledBundle(): Promise<ProfiledBundle> {
  const dir = await mkdtemp(join(tmpdir(), 'profiled-'));
  await build({
    entryPoints: { main: 'src/main.ts' },
    outdir: dir,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    sourcemap: 'external',
    logLevel: 'warning',
    plugins: [webAssets, slim],
  });
  return {
    dir,
    programPath: join(dir, 'main.js'),
    readMap: async () => JSON.parse(await readFile(join(dir, 'main.js.map'), 'utf8')) as SourceMapPayload,
  };
}
