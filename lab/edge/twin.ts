import { findSectionFault, isTwinObject } from './twin-rules.ts';
import type { TwinObject } from './twin-rules.ts';

/** A module twin as IoT Hub has it, with edgeHub's store of it in front. */
export interface Twin {
  /** IoT Hub's view, with `$version`. */
  readonly desired: () => TwinObject;
  /** IoT Hub's view, with `$version`. */
  readonly reported: () => TwinObject;
  /** Whether IoT Hub refuses what edgeHub has accepted, so that reported stands still. */
  readonly isStuck: boolean;

  /**
   * Replaces or merges the desired properties.
   * @returns what IoT Hub sends down: the document or the patch, with the new `$version`
   * @throws where IoT Hub would refuse the outcome
   */
  readonly changeDesired: (
    kind: 'replace' | 'merge',
    change: TwinObject,
  ) => { version: number; patch: TwinObject };

  /** edgeHub stores a reported patch. */
  readonly report: (patch: TwinObject) => void;
  /**
   * edgeHub passes up what it has stored.
   * @returns whether there was anything
   */
  readonly synchronise: () => boolean;
  /** edgeHub saw a desired change pass by. */
  readonly storeDesired: () => void;
  /**
   * The twin that edgeHub gives to the module: IoT Hub's, without what is stored and was not passed up; else its own copy.
   * Empty, without any `$version`, where it has none.
   */
  readonly fetch: (isUpstreamAway: boolean) => TwinObject;
}

/** A twin with no properties. */
export function createTwin(): Twin {
  let desired: TwinObject = {};
  let desiredVersion = 1;
  let reported: TwinObject = {};
  let reportedVersion = 1;
  let storedDesired: TwinObject | undefined;
  /** edgeHub's copy: what it fetched last, and the patches since. */
  let storedReported: TwinObject = {};
  /** The patches that were not passed up, as one. */
  let pending: TwinObject | undefined;
  let isStuck = false;

  const twin: Twin = {
    desired: () => ({ ...desired, $version: desiredVersion }),
    reported: () => ({ ...reported, $version: reportedVersion }),
    get isStuck() {
      return isStuck;
    },
    changeDesired(kind, change) {
      const { $version: _, ...patch } = structuredClone(change);
      const next = mergePatch(kind === 'merge' ? desired : {}, patch);
      const fault = findSectionFault(next);
      if (fault !== undefined) throw new Error(`IoT Hub refuses the desired properties: ${fault}`);
      desired = next;
      desiredVersion += 1;
      return { version: desiredVersion, patch: { ...patch, $version: desiredVersion } };
    },
    report(patch) {
      storedReported = mergePatch(storedReported, patch);
      pending = joinPatches(pending ?? {}, patch);
    },
    synchronise() {
      if (pending === undefined) return false;
      // edgeHub retries all that was refused together with each later patch.
      const next = mergePatch(reported, pending);
      isStuck = findSectionFault(next) !== undefined;
      if (isStuck) return true;
      reported = next;
      reportedVersion += 1;
      pending = undefined;
      return true;
    },
    storeDesired() {
      storedDesired = twin.desired();
    },
    fetch(isUpstreamAway) {
      if (!isUpstreamAway) {
        twin.storeDesired();
        storedReported = reported;
        return { desired: twin.desired(), reported: twin.reported() };
      }
      if (storedDesired === undefined) return { desired: {}, reported: {} };
      return { desired: storedDesired, reported: { ...storedReported, $version: reportedVersion } };
    },
  };
  return twin;
}

/**
 * As edgeHub joins what it has not passed up: nulls are kept, and what one patch deletes and the next sets anew is only set.
 * @see https://github.com/Azure/iotedge/blob/release/1.5/edge-util/src/Microsoft.Azure.Devices.Edge.Util/JsonEx.cs
 */
function joinPatches(first: TwinObject, second: TwinObject): TwinObject {
  const joined: Record<string, unknown> = { ...first };
  for (const [key, value] of Object.entries(second)) {
    const old = joined[key];
    joined[key] = isTwinObject(old) && isTwinObject(value) ? joinPatches(old, value) : value;
  }
  return joined;
}

/**
 * Objects are merged by key, null deletes, everything else (arrays too) is replaced whole.
 * @see https://www.rfc-editor.org/rfc/rfc7386
 */
export function mergePatch(target: unknown, patch: TwinObject): TwinObject {
  const merged: Record<string, unknown> = isTwinObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = isTwinObject(value) ? mergePatch(merged[key], value) : value;
  }
  return merged;
}
