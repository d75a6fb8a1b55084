import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeviceLogin } from '../demo/device-login.ts';

/** Keeps both passwords in files that only this user can read, for `docker login --password-stdin`. */
export async function savePasswords(dir: string, login: DeviceLogin): Promise<void> {
  for (const which of [1, 2] as const) {
    await writeFile(toPasswordPath(dir, which), login.password(which), { mode: 0o600 });
  }
}

/** The file of one of the passwords. */
export function toPasswordPath(dir: string, which: 1 | 2): string {
  return join(dir, `password${which}`);
}
