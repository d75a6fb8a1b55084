import { globSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabOptions } from '#lab/lab';

/**
 * A lab whose module lives faster: its clock and timers run `factor` times as fast, by libfaketime, and its limits and
 * delays are the shipped ones. The long form runs in real time, unless it is meant too.
 */
export function quickTime(factor: number, form: 'short' | 'both' = 'short'): LabOptions {
  if (form === 'short' && process.env['FAULTS_FORM'] === 'long') return {};
  return { environment: () => ({ ...preload(), FAKETIME: `+0 x${factor}` }) };
}

/** A lab whose module takes the time of day from {@link setTime}; its timers are the machine's. */
export const settableTime: LabOptions = {
  environment: (dir) => ({
    ...preload(),
    FAKETIME_TIMESTAMP_FILE: toTimeFile(dir),
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }),
};

/** Sets the module's clock, by so much from the machine's: `+1d`, `-1d`, `+0`. */
export const setTime = ({ dir }: { readonly dir: string }, shift: string): Promise<void> =>
  writeFile(toTimeFile(dir), `${shift}\n`);

const toTimeFile = (dir: string): string => join(dir, 'time');

function preload(): { readonly LD_PRELOAD: string } {
  const [path] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
  if (path === undefined) throw new Error('no libfaketime: install the package faketime');
  return { LD_PRELOAD: path };
}
