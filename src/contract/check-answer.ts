import { formatTime } from '#contract/reported';
import { compareText, toLine } from '#contract/findings';
import { toJsonBytes } from '#core/json-size';
import type { RegistryCheck } from '#core/registry-check';

/** An answer stays under 100 KB; one registry is about 5 KB at most. */
const MAX_ANSWER_BYTES = 90_000;
const MAX_NAME_LENGTH = 64;

/** What `CheckRegistry` answers: registries in name order, as many as fit; `omitted` counts the others. */
export function toCheckAnswer(checks: ReadonlyMap<string, RegistryCheck>): object {
  const registries = new Map<string, object>();
  let sizeBytes = 0;
  let omitted = 0;
  for (const [name, check] of [...checks].toSorted(([a], [b]) => compareText(a, b))) {
    // Of an entry at fault the name may be what is at fault.
    const shown = toLine(name, MAX_NAME_LENGTH);
    const entry = toEntry(check);
    sizeBytes += toJsonBytes([shown, entry]);
    // Two names may be shown alike.
    if (sizeBytes > MAX_ANSWER_BYTES || registries.has(shown)) omitted += 1;
    else registries.set(shown, entry);
  }
  return { registries: Object.fromEntries(registries), ...(omitted === 0 ? {} : { omitted }) };
}

function toEntry({ address, isOk, checkedAtMs, engine, relay, module }: RegistryCheck): object {
  const toSteps = (steps: RegistryCheck['engine']): object[] =>
    steps.map((step) => (step.message === undefined ? step : { ...step, message: toLine(step.message) }));
  return {
    address,
    ok: isOk,
    checkedAt: formatTime(checkedAtMs),
    engine: toSteps(engine),
    relay: toSteps(relay),
    module: toSteps(module),
  };
}
