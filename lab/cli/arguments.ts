import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { CatalogueImage, CatalogueLayer } from '../demo/catalogue.ts';
import { CATALOGUE, LATECOMER } from '../demo/catalogue.ts';
import type { TwinObject } from '../edge.ts';
import { isTwinObject } from '../edge/twin-rules.ts';
import { commandError } from './errors.ts';

const MAX_LAYER_MEGABYTES = 8000;
const DEFAULT_MEGABYTES = 5;

/**
 * JSON, JSON in a file (`@path`), or JSON from standard input (`-`).
 * @throws when it is none
 */
export async function readJson(argument: string): Promise<unknown> {
  const source = await readSource(argument);
  try {
    return JSON.parse(source);
  } catch (error) {
    throw commandError('usage', `not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * The same, for desired properties.
 * @throws when it is no JSON object
 */
export async function readObject(argument: string): Promise<TwinObject> {
  const value = await readJson(argument);
  if (!isTwinObject(value)) throw commandError('usage', 'desired properties are a JSON object');
  return value;
}

/**
 * An image to make: one of the catalogue, or a new one with the given layers, by default one of 5 MB.
 * @throws for a layer that is not `name:MB`
 */
export function parseImage(image: string, layers: readonly string[]): CatalogueImage {
  const known = [...CATALOGUE, LATECOMER].find((entry) => entry.image === image);
  if (known !== undefined && layers.length === 0) return known;
  return {
    name: image,
    image,
    layers: layers.length === 0 ? [{ seed: image, megabytes: DEFAULT_MEGABYTES }] : layers.map(parseLayer),
  };
}

function parseLayer(layer: string): CatalogueLayer {
  const [, seed = '', size = ''] = /^([\w.-]+):(\d+(?:\.\d+)?)$/.exec(layer) ?? [];
  const megabytes = Number(size);
  if (seed === '' || megabytes <= 0 || megabytes > MAX_LAYER_MEGABYTES) {
    throw commandError('usage', `a layer is name:MB, such as os:12, not ${layer}`);
  }
  return { seed, megabytes };
}

async function readSource(argument: string): Promise<string> {
  if (argument === '-') return text(process.stdin);
  if (!argument.startsWith('@')) return argument;
  try {
    return await readFile(argument.slice(1), 'utf8');
  } catch {
    throw commandError('usage', `cannot read ${argument.slice(1)}`);
  }
}
