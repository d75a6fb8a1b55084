/** Bundles the module into `dist/main.js`: one file, without the parts of its dependencies that it never calls. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { formatNotice } from './notice.ts';

/**
 * Loaded by dockerode and the Azure SDK and never called by us: SSH and gRPC transports of the engine, image builds,
 * file upload. They cost memory at start, and native builds at installation.
 */
const UNUSED = [
  'ssh2',
  'cpu-features',
  '@grpc/grpc-js',
  '@grpc/proto-loader',
  'protobufjs',
  '@azure/storage-blob',
  '@azure/abort-controller',
  'tar-fs',
  '@balena/dockerignore',
];

const DRAFT = `dist/main.${process.pid}.js`;

await mkdir('dist', { recursive: true });
const { metafile } = await build({
  entryPoints: ['src/main.ts'],
  outfile: DRAFT,
  bundle: true,
  metafile: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  // Names stay: minified ones make V8 compile every CommonJS wrapper at start, which costs 6 to 11 MB.
  minifyWhitespace: true,
  minifySyntax: true,
  // An uncaught error would print its whole source line into the log.
  lineLimit: 200,
  legalComments: 'none',
  logLevel: 'warning',
  banner: {
    js: [
      "import { createRequire as __createRequire } from 'node:module';",
      "import { dirname as __toDirname } from 'node:path';",
      "import { fileURLToPath as __toPath } from 'node:url';",
      'const require = __createRequire(import.meta.url);',
      'const __filename = __toPath(import.meta.url);',
      'const __dirname = __toDirname(__filename);',
    ].join('\n'),
  },
  plugins: [
    {
      name: 'leave-out-unused',
      setup(bundler) {
        bundler.onResolve({ filter: /.*/ }, ({ path }) =>
          UNUSED.some((name) => path === name || path.startsWith(`${name}/`))
            ? { path, namespace: 'unused' }
            : undefined,
        );
        bundler.onLoad({ filter: /.*/, namespace: 'unused' }, () => ({
          contents: 'module.exports = {};',
          loader: 'js',
        }));
      },
    },
  ],
});
// The licences of what is bundled ask to go where it goes.
await writeFile('dist/NOTICE', await formatNotice(Object.keys(metafile.inputs)));
// A program that is started while another run builds finds the one before, whole.
await rename(DRAFT, 'dist/main.js');
