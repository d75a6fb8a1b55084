/** Bundles the module into `dist/`: its programs, without the parts of their dependencies that are never called. */
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cyclonedxEsbuildPlugin } from '@cyclonedx/cyclonedx-esbuild';
import { build } from 'esbuild';
import { formatNotice } from './notice.ts';
import { slim } from './slim.ts';
import { webAssets } from './web-assets.ts';

await mkdir('dist', { recursive: true });
const draftDir = await mkdtemp('dist/draft-');
try {
  const { metafile } = await build({
    entryPoints: { main: 'src/main.ts', healthcheck: 'src/healthcheck.ts', cli: 'src/cli/main.ts' },
    outdir: draftDir,
    bundle: true,
    metafile: true,
    platform: 'node',
    target: 'node24',
    // As an ES module it would cost 2 MB more, and 80 ms of CPU time at start.
    format: 'cjs',
    // Names stay: minified ones make V8 compile every CommonJS wrapper at start, which costs 6 to 11 MB.
    minifyWhitespace: true,
    minifySyntax: true,
    // An uncaught error would print its whole source line into the log.
    lineLimit: 200,
    legalComments: 'none',
    logLevel: 'warning',
    plugins: [
      webAssets,
      slim,
      cyclonedxEsbuildPlugin({
        outputFile: 'sbom.cdx.json',
        outputReproducible: true,
        validate: true,
        // What is wrong it throws.
        logLevel: 'silent',
      }),
    ],
  });
  // The licences of what is bundled ask to go where it goes.
  await writeFile(join(draftDir, 'NOTICE'), await formatNotice(Object.keys(metafile.inputs)));
  // The sources are ES modules, says the package.json above; the nearest one counts.
  await writeFile(join(draftDir, 'package.json'), `${JSON.stringify({ type: 'commonjs' })}\n`);
  // An image without a shell runs it by its first line.
  await chmod(join(draftDir, 'cli.js'), 0o755);
  // A program that is started while another run builds finds the one before, whole.
  for (const name of await readdir(draftDir)) await rename(join(draftDir, name), join('dist', name));
} finally {
  await rm(draftDir, { recursive: true });
}
