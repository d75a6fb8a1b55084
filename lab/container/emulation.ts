import { execFile } from 'node:child_process';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** @see https://docs.kernel.org/admin-guide/binfmt-misc.html */
const BINFMT_DIR = '/proc/sys/fs/binfmt_misc';

/** From Debian's `qemu-user-static`: how the kernel tells an arm64 program, and what runs it. */
const ARM64_FORMAT = '/usr/lib/binfmt.d/qemu-aarch64.conf';

/**
 * Has the kernel run arm64 programs by qemu, in containers too, until the returned function is called. Nothing is changed
 * where it does so already. Needs root and `qemu-user-static`.
 */
export async function emulateArm64(): Promise<() => Promise<void>> {
  if (process.arch === 'arm64' || (await isThere(join(BINFMT_DIR, 'qemu-aarch64'))))
    return () => Promise.resolve();
  const isMounted = await isThere(join(BINFMT_DIR, 'register'));
  if (!isMounted) await run('mount', ['-t', 'binfmt_misc', 'binfmt_misc', BINFMT_DIR]);
  // A name of its own, so that two labs on one machine do not take it from each other.
  const name = `lab-aarch64-${process.pid}`;
  const format = await readFile(ARM64_FORMAT, 'utf8');
  await writeFile(join(BINFMT_DIR, 'register'), format.trim().replace(/^:[^:]+:/, `:${name}:`));
  return async () => {
    await writeFile(join(BINFMT_DIR, name), '-1');
    if (!isMounted) await run('umount', [BINFMT_DIR]).catch(() => undefined);
  };
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
