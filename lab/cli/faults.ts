import type { Edge } from '../edge.ts';
import { NO_FAULTS } from '../edge.ts';
import type { Registry } from '../registry/registry.ts';
import { NO_REGISTRY_FAULTS } from '../registry/faults.ts';

/** The parts that can be broken. */
export type FaultPart = 'edge' | 'registry';

/** One switch and where it stands; `null` is off. */
export interface FaultRow {
  readonly part: FaultPart;
  readonly name: string;
  readonly value: unknown;
}

/** What faults are set on. */
export interface Breakable {
  readonly edge?: Edge;
  readonly registry?: Registry;
  /** Parts at whose address nothing listens. */
  readonly away: Set<FaultPart>;
}

/** Beside the switches: nothing listens at the address. */
const AWAY = 'away';

/** Switches that are off when undefined, and are no numbers when on. */
const KINDS: Readonly<Record<string, 'string' | 'object'>> = {
  cutConnections: 'object',
  corruptBlob: 'string',
  cutBlobsAtBytes: 'object',
  missingBlob: 'string',
  twinGetBody: 'string',
  reportErrorBody: 'object',
};

const HEALTHY = { edge: NO_FAULTS, registry: NO_REGISTRY_FAULTS } as const;

/** All switches of the parts that run. */
export function listFaults(parts: Breakable): FaultRow[] {
  return (['edge', 'registry'] as const).flatMap((part) => {
    const faults = parts[part]?.faults;
    if (faults === undefined) return [];
    const rows = Object.entries(faults).map(([name, value]: [string, unknown]) => ({
      part,
      name,
      value: value ?? null,
    }));
    return [{ part, name: AWAY, value: parts.away.has(part) }, ...rows];
  });
}

/**
 * Sets one switch.
 * @returns where it stands now
 * @throws for a name that there is not, a value that does not fit, a part that does not run
 */
export async function setFault(
  parts: Breakable,
  { part, name, value }: { readonly part: FaultPart; readonly name: string; readonly value: string },
): Promise<FaultRow> {
  const target = parts[part];
  if (target === undefined) throw new Error(`the lab that runs has no ${part}`);
  if (name === AWAY) return setAway(parts, part, parseValue(false, 'boolean', value) === true);
  const off = Object.entries(HEALTHY[part]).find(([key]) => key === name);
  if (off === undefined) throw new Error(`the ${part} has no fault ${name}: npm run lab -- fault lists them`);
  const kind = off[1] === undefined ? (KINDS[name] ?? 'number') : typeof off[1];
  const parsed = parseValue(off[1], kind, value);
  Object.assign(target.faults, { [name]: parsed });
  return { part, name, value: parsed ?? null };
}

async function setAway(
  { edge, registry, away }: Breakable,
  part: FaultPart,
  isAway: boolean,
): Promise<FaultRow> {
  if (away.has(part) !== isAway) {
    if (part === 'edge') await (isAway ? edge?.stopHub() : edge?.startHub());
    else await (isAway ? registry?.stop() : registry?.start());
    if (isAway) away.add(part);
    else away.delete(part);
  }
  return { part, name: AWAY, value: isAway };
}

function parseValue(off: unknown, kind: string, text: string): unknown {
  if (text === 'off') return off;
  const value = text === 'on' ? true : parseJson(text);
  if (typeof value !== kind)
    throw new Error(`${text} does not fit: ${kind === 'boolean' ? 'on or off' : `off, or a ${kind}`}`);
  return value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
