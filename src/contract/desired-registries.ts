import { RegistryEntry } from '#contract/desired-schema';
import {
  formatPath,
  isObject,
  listEntries,
  NAME_FAULT,
  noteUnknown,
  toFault,
  toFaults,
  toLine,
  withoutNulls,
} from '#contract/findings';
import type { Findings, Json } from '#contract/findings';
import type { Credential, DesiredRegistry, DesiredState, Fault, FaultyRegistry } from '#core/desired-state';
import { isRegistryAddress, isUpstream, resolveUpstream, toListedRegistry } from '#core/reference';
import { Secret } from '#core/secret';
import type * as z from 'zod';

/** The entries of `registryCredentials`: those without fault, and of the others what images must know. */
export interface ParsedRegistries {
  readonly valid: ReadonlyMap<string, DesiredRegistry>;
  readonly atFault: ReadonlyMap<string, FaultyRegistry>;
}

/** Those of the desired properties that are in force, for what is read against them later. */
export const toRegistries = (desired: DesiredState | undefined): ParsedRegistries => ({
  valid: desired?.registries ?? new Map(),
  atFault: desired?.faultyRegistries ?? new Map(),
});

/** What the desired properties are read against. */
export interface DesiredContext {
  /** `IOTEDGE_PARENTHOSTNAME`: what `$upstream` stands for. */
  readonly parentHostName?: string | undefined;
}

/** Reads `registryCredentials` entry by entry, in name order. */
export function parseRegistries(map: Json, context: DesiredContext, findings: Findings): ParsedRegistries {
  const valid = new Map<string, DesiredRegistry>();
  const atFault = new Map<string, FaultyRegistry>();
  for (const { name, value, isNamed } of listEntries(map)) {
    const path = ['registryCredentials', name];
    const written = isObject(value) ? withoutNulls(value) : value;
    if (isObject(written)) noteUnknown(written, RegistryEntry.shape, path, findings);
    const { error, data } = RegistryEntry.safeParse(written);
    const faults = isNamed ? [] : [toFault(formatPath(...path), NAME_FAULT)];
    faults.push(...(error === undefined ? [] : toFaults(error, path)));
    if (data !== undefined) faults.push(...findRegistryFaults(data, path, context));
    const address = toAddress(data?.address, context);
    const other = [...valid.values()].find((registry) => registry.address === address);
    if (other !== undefined) {
      faults.push(
        toFault(formatPath(...path, 'address'), `is also that of ${other.name}: list each registry once`),
      );
    }
    if (data === undefined || address === undefined || faults.length > 0) {
      const message = toLine(faults.map((fault) => `${fault.path}: ${fault.message}`).join('; '));
      atFault.set(name, { ...(address === undefined ? {} : { address }), message, isNamed });
      findings.faults.push(...faults);
    } else {
      const ca = data.ca === undefined ? {} : { ca: data.ca };
      valid.set(name, { name, address, credentials: toCredentials(data), ...ca });
    }
  }
  return { valid, atFault };
}

type Entry = z.infer<typeof RegistryEntry>;

function findRegistryFaults(
  entry: Entry,
  path: readonly string[],
  context: DesiredContext,
): readonly Fault[] {
  const { address, username, password, password2 = '' } = entry;
  const faults: Fault[] = [];
  const at = (property: string, message: string) =>
    faults.push(toFault(formatPath(...path, property), message));
  if (isUpstream(address) && context.parentHostName === undefined) {
    at(
      'address',
      '$upstream stands for the parent device, and this device has none (IOTEDGE_PARENTHOSTNAME)',
    );
  } else if (toAddress(address, context) === undefined) {
    at(
      'address',
      'must be host[:port], as the engine on the host reaches it; a host without a dot needs its port, for instance plant:443',
    );
  }
  const hasPassword = password !== undefined || password2 !== '';
  if (username === undefined && hasPassword) {
    at('username', 'is missing beside a password; leave both out for an anonymous registry');
  }
  if (username !== undefined && !hasPassword) {
    at('password', 'is missing beside username; leave both out for an anonymous registry');
  }
  return faults;
}

function toAddress(written: string | undefined, { parentHostName }: DesiredContext): string | undefined {
  if (written === undefined) return undefined;
  const address = toListedRegistry(
    parentHostName === undefined ? written : resolveUpstream(written, parentHostName),
  );
  return isRegistryAddress(address) ? address : undefined;
}

/** In the order they are tried; a second password that is empty or the same as the first is no second one. */
function toCredentials({ username, password, password2 }: Entry): readonly Credential[] {
  if (username === undefined) return [];
  const credentials: Credential[] = [];
  if (password !== undefined)
    credentials.push({ name: 'password', username, password: new Secret(password) });
  if (password2 !== undefined && password2 !== '' && password2 !== password) {
    credentials.push({ name: 'password2', username, password: new Secret(password2) });
  }
  return credentials;
}
