import { formatPath, isObject, noteUnknown, toFault, toFaults, withoutNulls } from '#contract/findings';
import type { Findings, Json } from '#contract/findings';
import { PullWindowSchema, SettingsSchema } from '#contract/settings-schema';
import { DEFAULT_SETTINGS } from '#core/desired-state';
import type { Settings } from '#core/desired-state';

/** Reads `settings`: what is wrong is a fault with its path and stays at its default. */
export function parseSettings(value: unknown, findings: Findings): Settings {
  if (value === undefined || value === null) return DEFAULT_SETTINGS;
  if (!isObject(value)) {
    findings.faults.push(toFault('settings', 'must be an object; all settings stay at their defaults'));
    return DEFAULT_SETTINGS;
  }
  const written = withoutNulls(value);
  noteUnknown(written, SettingsSchema.shape, ['settings'], findings);
  const { pullWindow } = written;
  if (!isObject(pullWindow)) return parseValid(written, findings);
  const window = withoutNulls(pullWindow);
  noteUnknown(window, PullWindowSchema.in.shape, ['settings', 'pullWindow'], findings);
  return parseValid({ ...written, pullWindow: window }, findings);
}

function parseValid(written: Json, findings: Findings): Settings {
  const { error } = SettingsSchema.safeParse(written);
  const faults = error === undefined ? [] : toFaults(error, ['settings']);
  findings.faults.push(...faults);
  const atFault = new Set(error?.issues.map((issue) => issue.path[0]));
  const valid = Object.fromEntries(Object.entries(written).filter(([key]) => !atFault.has(key)));
  return withRetryOrder(SettingsSchema.parse(valid), valid, findings);
}

/**
 * Keeps `retryInitialSeconds` at or below `retryMaxSeconds`. Where only one is written, the other one's default gives
 * way; where both are, the first is at fault.
 */
function withRetryOrder(settings: Settings, written: Json, findings: Findings): Settings {
  const { retryInitialSeconds, retryMaxSeconds } = settings;
  if (retryInitialSeconds <= retryMaxSeconds) return settings;
  if (!Object.hasOwn(written, 'retryMaxSeconds'))
    return { ...settings, retryMaxSeconds: retryInitialSeconds };
  if (Object.hasOwn(written, 'retryInitialSeconds')) {
    const path = formatPath('settings', 'retryInitialSeconds');
    findings.faults.push(toFault(path, `must be at most retryMaxSeconds (${retryMaxSeconds})`));
  }
  return {
    ...settings,
    retryInitialSeconds: Math.min(DEFAULT_SETTINGS.retryInitialSeconds, retryMaxSeconds),
  };
}
