import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { withTempDir } from './temp-dir.ts';

const run = promisify(execFile);

/** Debian's release that the Dockerfiles' base images are made of. */
const RELEASE = 'bookworm';

/** What {@link makeRootFilesystem} takes. */
export interface RootFilesystem {
  /** `amd64` or `arm64`: nothing of it is run where packages are unpacked only. */
  readonly architecture: string;
  /** Further ones that packages can be downloaded for. */
  readonly foreignArchitectures?: readonly string[];
  /** `apt`: a system with apt and what it needs; `extract`: `packages` and what they need, unpacked only. */
  readonly variant: 'apt' | 'extract';
  readonly packages: readonly string[];
  /** A shell script that runs outside, with the root as `$1`; of no effect where packages are unpacked only. */
  readonly script?: string;
  /** A folder whose content is laid over the root. */
  readonly overlayDir: string;
  /** Gets a plain tar of the root. */
  readonly tarPath: string;
}

/**
 * Makes a root filesystem of Debian's packages. Needs root and mmdebstrap.
 * @throws with what mmdebstrap printed.
 */
export async function makeRootFilesystem(root: RootFilesystem): Promise<void> {
  const { overlayDir, tarPath } = root;
  const architectures = [root.architecture, ...(root.foreignArchitectures ?? [])].join(',');
  await withTempDir(async (rootDir) => {
    await run(
      'mmdebstrap',
      [
        '--quiet',
        '--mode=root',
        '--format=directory',
        `--variant=${root.variant}`,
        `--architectures=${architectures}`,
        ...(root.packages.length === 0 ? [] : [`--include=${root.packages.join(',')}`]),
        ...(root.script === undefined ? [] : [`--customize-hook=${root.script}`]),
        RELEASE,
        rootDir,
      ],
      { maxBuffer: 64 * 1024 ** 2 },
    );
    await run('cp', ['--archive', '--link', `${overlayDir}/.`, rootDir]);
    await run('tar', ['--create', '--file', tarPath, '--directory', rootDir, '--exclude=./dev/*', '.']);
  });
}
