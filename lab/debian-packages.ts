import { execFile } from 'node:child_process';
import { access, chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What {@link unpackPackage} takes. */
export interface PackageOptions {
  /** An existing folder for all that is downloaded and unpacked; whoever made it removes it. */
  readonly dir: string;
  /** A Debian release or `sid`, whatever the machine itself runs. */
  readonly suite: string;
  readonly name: string;
}

/** A Debian package that was unpacked with all it depends on, down to the C library. */
export interface UnpackedPackage {
  /** Debian's, for instance `28.5.2+dfsg4-5`. */
  readonly version: string;
  /**
   * Makes a program of the package runnable on this machine: in a mount namespace of its own, where `/usr` is that of
   * the package. Needs root, and a machine whose `/bin` and `/lib` lie in `/usr`.
   * @returns the path of a script with the program's name
   */
  makeProgram(name: string): Promise<string>;
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const MERGED_DIRS = ['bin', 'sbin', 'lib', 'lib64'];

/**
 * Downloads a package by apt, from the mirror that the machine itself uses, and unpacks it. Nothing is installed and
 * the machine's own apt is left as it is.
 * @throws when the machine has no Debian mirror, or with what apt printed
 */
export async function unpackPackage({ dir, suite, name }: PackageOptions): Promise<UnpackedPackage> {
  const apt = await makeApt(dir, suite);
  await run('apt-get', [...apt, 'update', '-qq']);
  // Nothing counts as installed, so that all that the package needs comes with it.
  const words = ['install', '-qq', '-y', '--download-only', '--no-install-recommends', name];
  await run('apt-get', [...apt, ...words], { maxBuffer: 64 * 1024 * 1024 });

  const archives = join(dir, 'cache/archives');
  const paths = (await readdir(archives))
    .filter((file) => file.endsWith('.deb'))
    .map((file) => join(archives, file));
  const rootDir = join(dir, 'root');
  for (const merged of MERGED_DIRS) {
    await mkdir(join(rootDir, 'usr', merged), { recursive: true });
    await symlink(`usr/${merged}`, join(rootDir, merged));
  }
  const unpack = 'dpkg-deb --fsys-tarfile "$0" | tar --extract --keep-directory-symlink --directory "$1"';
  for (const path of paths) await run('sh', ['-c', unpack, path, rootDir]);

  const own = paths.find((path) => path.startsWith(join(archives, `${name}_`))) ?? '';
  const { stdout } = await run('dpkg-deb', ['--field', own, 'Version']);
  return {
    version: stdout.trim(),
    async makeProgram(program) {
      const path = join(dir, 'programs', program);
      await mkdir(join(dir, 'programs'), { recursive: true });
      const isAdministrators = (await readdir(join(rootDir, 'usr/sbin'))).includes(program);
      const programPath = `/usr/${isAdministrators ? 'sbin' : 'bin'}/${program}`;
      await writeFile(path, formatScript(join(rootDir, 'usr'), programPath));
      await chmod(path, 0o755);
      return path;
    },
  };
}

/** It is one process from beginning to end, so that signals reach the program. */
const formatScript = (usrDir: string, programPath: string): string => `#!/bin/sh
exec unshare --mount --propagation private sh -c 'mount --rbind "$0" /usr && exec ${programPath} "$@"' '${usrDir}' "$@"
`;

/** Options by which apt knows nothing of the machine's packages and keeps all it has in the folder. */
async function makeApt(dir: string, suite: string): Promise<string[]> {
  const state = join(dir, 'state');
  await mkdir(join(state, 'lists/partial'), { recursive: true });
  await mkdir(join(dir, 'cache/archives/partial'), { recursive: true });
  const keyring = await access(KEYRING).then(
    () => `[signed-by=${KEYRING}] `,
    () => '',
  );
  await writeFile(join(state, 'status'), '');
  await writeFile(join(dir, 'sources.list'), `deb ${keyring}${await findMirror()} ${suite} main\n`);
  const settings = {
    'Dir::Etc::SourceList': join(dir, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
    'Dir::State': state,
    'Dir::State::status': join(state, 'status'),
    'Dir::Cache': join(dir, 'cache'),
    'APT::Sandbox::User': 'root',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** The address of the Debian mirror among the machine's own sources of packages. */
async function findMirror(): Promise<string> {
  const list = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Label: Debian'];
  const ask = async (): Promise<string> => (await run('apt-get', list)).stdout.split('\n')[0] ?? '';
  const known = await ask();
  if (known !== '') return known;
  // Which source is whose is only known once it has been asked.
  await run('apt-get', ['update', '-qq']);
  const found = await ask();
  if (found === '') throw new Error('no Debian mirror is among the sources of apt on this machine');
  return found;
}
