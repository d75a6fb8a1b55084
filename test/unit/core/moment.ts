import { DEFAULT_SETTINGS } from '#core/desired-state';
import type { Moment } from '#core/image-record';
import { NOW_MS } from '#test/unit/core/world';

/** The time of all tests, with the default settings, where chance says 0. */
export const MOMENT: Moment = { nowMs: NOW_MS, random: 0, generation: 1, policy: DEFAULT_SETTINGS };
