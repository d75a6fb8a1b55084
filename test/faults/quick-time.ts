import { globSync } from 'node:fs';
import type { LabOptions } from '#lab/lab';

/**
 * A lab whose module lives faster: its clock and timers run `factor` times as fast, by libfaketime, and its limits and
 * delays are the shipped ones. The long form runs in real time.
 * @throws when libfaketime is not installed
 */
export function quickTime(factor: number): LabOptions {
  if (process.env['FAULTS_FORM'] === 'long') return {};
  return { environment: { ...preload(), FAKETIME: `+0 x${factor}` } };
}

/** A lab whose module takes the time of day from a file, as in `+1d`; its timers are the machine's. */
export function setTime(file: string): LabOptions {
  return {
    environment: {
      ...preload(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  };
}

function preload(): { readonly LD_PRELOAD: string } {
  const [path] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
  if (path === undefined) throw new Error('no libfaketime: install the package faketime');
  return { LD_PRELOAD: path };
}
