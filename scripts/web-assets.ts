import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { transform } from 'esbuild';
import type { Loader, Plugin } from 'esbuild';

const BROWSERS = ['es2022', 'chrome110', 'firefox110', 'safari16'];

const LOADERS: Readonly<Record<string, Loader>> = { '.css': 'css', '.js': 'js' };

/**
 * Puts what a browser loads (`src/web/assets`) into the bundle as text, made small, and takes the indentation out of the
 * HTML in `src/web`.
 */
export const webAssets: Plugin = {
  name: 'web-assets',
  setup(bundler) {
    bundler.onLoad({ filter: /\/src\/web\/[^/]+\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      return { contents: text.replaceAll(/\n\s+/g, '\n'), loader: 'ts' };
    });
    bundler.onLoad({ filter: /\/src\/web\/assets\/[^/]+$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const loader = LOADERS[extname(path)];
      if (loader === undefined) return { contents: text.trim(), loader: 'text' };
      const { code } = await transform(text, { loader, minify: true, target: BROWSERS });
      return { contents: code.trim(), loader: 'text' };
    });
  },
};
