/** Bundles the module into `dist/main.js`: one file, without the parts of its dependencies that it never calls. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { formatNotice } from './notice.ts';
import { slim } from './slim.ts';

const DRAFT = `dist/main.${process.pid}.js`;

await mkdir('dist', { recursive: true });
const { metafile } = await build({
  entryPoints: ['src/main.ts'],
  outfile: DRAFT,
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
  plugins: [slim],
});
// The licences of what is bundled ask to go where it goes.
await writeFile('dist/NOTICE', await formatNotice(Object.keys(metafile.inputs)));
// package.json says that the sources are ES modules; the nearest one counts.
await writeFile('dist/package.json', `${JSON.stringify({ type: 'commonjs' })}\n`);
// A program that is started while another run builds finds the one before, whole.
await rename(DRAFT, 'dist/main.js');
