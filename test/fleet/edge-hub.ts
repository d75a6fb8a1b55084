import { joinPatches } from '#core/merge-patch';
import type { JsonObject } from '#core/merge-patch';
import type { SentPatch } from './rollout.ts';

/** edgeHub passes reported properties on no more often than this. Its setting: `ReportedPropertiesSyncFrequencySecs`. */
export const SYNC_MS = 5000;

/**
 * What edgeHub makes of a module's reports: the first goes to IoT Hub at once, and what comes within the time after one
 * has gone is merged and goes together, deletions kept.
 * @see https://github.com/Azure/iotedge/blob/release/1.5/edge-hub/core/src/Microsoft.Azure.Devices.Edge.Hub.Core/twin/ReportedPropertiesStore.cs
 */
export function passOn(sent: readonly SentPatch[], syncMs = SYNC_MS): readonly SentPatch[] {
  const passed: SentPatch[] = [];
  let pending: JsonObject | undefined;
  let freeAtMs = -Infinity;
  const flush = (): void => {
    if (pending === undefined) return;
    passed.push({ atMs: freeAtMs, patch: pending });
    pending = undefined;
    freeAtMs += syncMs;
  };
  for (const { atMs, patch } of sent) {
    if (atMs >= freeAtMs) flush();
    if (atMs >= freeAtMs) {
      passed.push({ atMs, patch });
      freeAtMs = atMs + syncMs;
    } else {
      pending = pending === undefined ? patch : joinPatches(pending, patch);
    }
  }
  flush();
  return passed;
}
