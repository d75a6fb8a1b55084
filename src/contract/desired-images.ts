import { ImageEntry } from '#contract/desired-schema';
import { findClash, listClaims } from '#contract/desired-clashes';
import type { Claim } from '#contract/desired-clashes';
import { EntryFault, resolveImage, resolveTagAs } from '#contract/desired-references';
import type { ImageContext } from '#contract/desired-references';
import * as found from '#contract/findings';
import type { Findings, Json } from '#contract/findings';
import type { DesiredImage, ImageSpec } from '#core/desired-state';
import { parsePlatform } from '#core/platform';

/** The entries of `images`: by name, and of those whose name breaks the rule the paths. */
export interface ParsedImages {
  readonly images: ReadonlyMap<string, DesiredImage>;
  readonly misnamed: readonly string[];
}

/** Reads `images` entry by entry, in name order; of two that want the same local name, the later is at fault. */
export function parseImages(map: Json, context: ImageContext, findings: Findings): ParsedImages {
  const images = new Map<string, DesiredImage>();
  const misnamed: string[] = [];
  const claimed = new Map<string, Claim>();
  for (const { name, value, isNamed } of found.listEntries(map)) {
    if (!isNamed) {
      const path = found.formatPath('images', name);
      misnamed.push(path);
      findings.faults.push(found.toFault(path, found.NAME_FAULT));
      continue;
    }
    try {
      const spec = parseSpec(name, value, context, findings);
      claimNames(name, spec, claimed);
      images.set(name, { kind: 'image', name, spec });
    } catch (error) {
      if (!(error instanceof EntryFault)) throw error;
      images.set(name, toFaultyImage(name, value, error, findings));
    }
  }
  return { images, misnamed };
}

function parseSpec(name: string, value: unknown, context: ImageContext, findings: Findings): ImageSpec {
  const written = typeof value === 'string' ? { image: value } : value;
  if (found.isObject(written)) found.noteUnknown(written, ImageEntry.shape, ['images', name], findings);
  const { error, data } = ImageEntry.safeParse(
    found.isObject(written) ? found.withoutNulls(written) : written,
  );
  if (data === undefined) throw new EntryFault('InvalidImage', ...error.issues);

  const { reference, registry } = resolveImage(data, context);
  const platform = data.platform === undefined ? undefined : parsePlatform(data.platform);
  return {
    reference,
    ...(registry === undefined ? {} : { registry }),
    ...(platform === undefined ? {} : { platform }),
    pullPolicy: data.pullPolicy,
    tagAs: data.tagAs.map((text, index) => resolveTagAs(text, index, context)),
    priority: data.priority,
    ...(data.pullRequest === undefined ? {} : { pullRequest: data.pullRequest }),
  };
}

function claimNames(name: string, spec: ImageSpec, claimed: Map<string, Claim>): void {
  const claims = listClaims(name, spec);
  const clash = findClash(claims, claimed);
  if (clash !== undefined) throw new EntryFault('InvalidImage', clash);
  for (const claim of claims) claimed.set(claim.localName, claim);
}

function toFaultyImage(
  name: string,
  value: unknown,
  { reason, problems }: EntryFault,
  findings: Findings,
): DesiredImage {
  const isShort = typeof value === 'string';
  const faults = problems.map(({ path, message }) =>
    found.toFault(found.formatPath('images', name, ...(isShort ? [] : path)), message),
  );
  findings.faults.push(...faults);
  const image = isShort ? value : found.isObject(value) ? value['image'] : undefined;
  return {
    kind: 'fault',
    name,
    reason,
    message: found.toLine(faults.map(({ path, message }) => `${path}: ${message}`).join('; ')),
    ...(typeof image === 'string' ? { image: found.toLine(withoutUserInfo(image)) } : {}),
  };
}

/** Takes out what stands before an `@` that a host and path follow: a user name and password, as in a URL. */
const withoutUserInfo = (image: string): string => image.replace(/^.*@(?=.*\/)/s, '[secret]@');
