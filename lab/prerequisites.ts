import { execFile } from 'node:child_process';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { findProgram } from './programs.ts';

const run = promisify(execFile);

/** What the lab runs, and the Debian and Ubuntu package that each comes in. */
const PACKAGES: Readonly<Record<string, string>> = {
  dockerd: 'docker.io',
  'docker-registry': 'docker-registry',
  openssl: 'openssl',
};

const POLICY_PATH = '/usr/sbin/policy-rc.d';

/**
 * Makes sure that programs are here, by default those that every lab runs. What is missing is installed with apt-get
 * when this runs as root on a system that has it, without starting any service.
 * @param wanted the package that each program comes in
 * @throws with the packages to install, when it cannot install them or a program is missing afterwards.
 */
export async function ensurePrerequisites(wanted = PACKAGES): Promise<void> {
  const missing = await listMissing(wanted);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((name) => wanted[name] ?? name))];
  const advice =
    `the lab needs ${missing.join(', ')}: install ${packages.length > 1 ? 'the packages' : 'the package'} ` +
    `${packages.join(' ')} (Debian, Ubuntu: apt-get install --no-install-recommends ${packages.join(' ')})`;
  if (process.getuid?.() !== 0) throw new Error(`${advice}, or run this as root`);
  const aptGet = await findProgram('apt-get');
  if (aptGet === undefined) throw new Error(advice);

  await install(aptGet, packages).catch((error: unknown) => {
    throw new Error(`${advice}; apt-get could not`, { cause: error });
  });
  const stillMissing = await listMissing(wanted);
  if (stillMissing.length > 0) throw new Error(`${stillMissing.join(', ')} still missing: ${advice}`);
}

async function listMissing(wanted: Readonly<Record<string, string>>): Promise<string[]> {
  const names = Object.keys(wanted);
  const paths = await Promise.all(names.map(findProgram));
  return names.filter((_, index) => paths[index] === undefined);
}

async function install(aptGet: string, packages: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const restorePolicy = await forbidServices();
  try {
    await run(aptGet, ['update', '-qq'], { env });
    // Another installation, of a second run for instance, is waited for.
    const lock = ['-o', 'DPkg::Lock::Timeout=300'];
    await run(aptGet, [...lock, 'install', '-y', '-qq', '--no-install-recommends', ...packages], {
      env,
      maxBuffer: 64 * 1024 * 1024,
    });
  } finally {
    await restorePolicy();
  }
}

/**
 * Has package scripts start no daemon, unless the machine has a policy of its own.
 * @see https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
 */
async function forbidServices(): Promise<() => Promise<void>> {
  try {
    await writeFile(POLICY_PATH, '#!/bin/sh\nexit 101\n', { flag: 'wx' });
  } catch {
    return () => Promise.resolve();
  }
  await chmod(POLICY_PATH, 0o755);
  return () => rm(POLICY_PATH, { force: true });
}
