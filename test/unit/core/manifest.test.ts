import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseImageConfig, parseManifest, requireImage } from '#core/manifest';
import type { ImageIndex } from '#core/manifest';
import { pickChild } from '#core/manifest-choice';
import { formatPlatform, parsePlatform } from '#core/platform';
import type { Platform } from '#core/platform';
import { AgentError } from '#core/reason';

const DOCKER = 'application/vnd.docker.distribution.manifest.v2+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const toHex = (text: string): string => `sha256:${Buffer.from(text).toString('hex').padEnd(64, '0')}`;
const toPlatform = (text: string): Platform => parsePlatform(text) ?? { os: text, architecture: text };

function toIndex(...platforms: readonly string[]): ImageIndex {
  return {
    kind: 'index',
    children: platforms.map((text) => ({
      mediaType: DOCKER,
      digest: toHex(text),
      sizeBytes: 1,
      ...(text === '' ? {} : { platform: toPlatform(text) }),
    })),
  };
}

function reasonOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    return error instanceof AgentError ? error.reason : `not an AgentError: ${String(error)}`;
  }
  return 'none';
}

describe('of an index that child is picked that the engine itself would pick', () => {
  it.each<[string, string | undefined, readonly string[], string]>([
    ['linux/amd64', undefined, ['linux/arm64/v8', 'linux/amd64'], 'linux/amd64'],
    ['linux/amd64', undefined, ['linux/amd64/v3', 'linux/amd64'], 'linux/amd64'],
    ['linux/amd64', undefined, ['linux/386', 'linux/amd64'], 'linux/amd64'],
    ['linux/amd64', undefined, ['windows/amd64', 'linux/386'], 'linux/386'],
    ['linux/arm64', undefined, ['linux/arm/v7', 'linux/arm64/v8'], 'linux/arm64/v8'],
    ['linux/arm64', undefined, ['linux/arm/v6', 'linux/arm/v7'], 'linux/arm/v7'],
    ['linux/arm', undefined, ['linux/arm/v5', 'linux/arm/v7', 'linux/arm/v6'], 'linux/arm/v7'],
    ['linux/arm/v6', undefined, ['linux/arm/v7', 'linux/arm/v5', 'linux/arm/v6'], 'linux/arm/v6'],
    ['linux/arm/v6', undefined, ['linux/arm/v7', 'linux/arm/v5'], 'linux/arm/v5'],
    ['linux/amd64', 'linux/arm/v6', ['linux/arm/v7', 'linux/arm/v6'], 'linux/arm/v6'],
    ['linux/amd64', 'linux/arm', ['linux/arm/v6', 'linux/arm/v7'], 'linux/arm/v7'],
    ['linux/amd64', 'linux/arm64', ['linux/amd64', 'linux/arm64/v8'], 'linux/arm64/v8'],
    ['linux/amd64', undefined, ['', 'linux/amd64'], 'linux/amd64'],
    ['linux/amd64', undefined, ['unknown/unknown', ''], ''],
    ['linux/amd64', undefined, ['linux/amd64', 'linux/amd64'], 'linux/amd64'],
  ])('%s (wanted: %s) of %j is %s', (engine, wanted, held, expected) => {
    const wish = wanted === undefined ? undefined : toPlatform(wanted);
    expect(pickChild(toIndex(...held), toPlatform(engine), wish).digest).toBe(toHex(expected));
  });

  it('an image that holds nothing for a platform says what it holds, and what was looked for', () => {
    const index = toIndex('linux/amd64', 'linux/arm64/v8', 'unknown/unknown');
    expect(() => pickChild(index, toPlatform('linux/s390x'))).toThrow(
      'the image is for linux/amd64, linux/arm64/v8, and not for linux/s390x',
    );
    expect(reasonOf(() => pickChild(index, toPlatform('linux/amd64'), toPlatform('linux/arm/v7')))).toBe(
      'PlatformMismatch',
    );
    expect(() => pickChild(toIndex(), toPlatform('linux/arm'))).toThrow(
      'for no platform, and not for linux/arm',
    );
  });

  it('the order in which an index lists different platforms does not matter', () => {
    const all = [
      'linux/386',
      'linux/amd64',
      'linux/amd64/v2',
      'linux/arm/v5',
      'linux/arm/v6',
      'linux/arm/v7',
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray([...all, 'linux/arm64/v8'], { minLength: 1 }), (held) => {
        for (const engine of ['linux/amd64', 'linux/arm64', 'linux/arm']) {
          const pick = (names: readonly string[]): string => {
            try {
              const { platform } = pickChild(toIndex(...names), toPlatform(engine));
              return platform === undefined ? '' : formatPlatform(platform);
            } catch {
              return 'none';
            }
          };
          expect(pick(held)).toBe(pick(held.toSorted()));
        }
      }),
    );
  });
});

describe('a manifest', () => {
  it.each([
    [
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
      '{}',
      /of type application\/vnd.*push the image again/,
    ],
    ['', '{}', /of type nothing/],
    ['constructor', '{}', /of type constructor/],
    [DOCKER, 'not json', /no proper JSON/],
    [DOCKER, 'null', /no proper digests in config/],
    [DOCKER, '{"config":{"digest":"sha256:1","size":1}}', /no proper digests in config/],
    [DOCKER, `{"config":{"digest":"${toHex('a')}","size":-1}}`, /no proper sizes in config/],
    [DOCKER, `{"config":{"digest":"${toHex('a')}","size":1},"layers":{}}`, /no proper layers/],
    [INDEX, '{"manifests":7}', /no proper manifests/],
    [INDEX, `{"manifests":[${'{},'.repeat(1000)}{}]}`, /no proper manifests/],
  ])('of type "%s" with %j is a RegistryError that says what to do', (mediaType, text, words) => {
    expect(reasonOf(() => parseManifest(text, mediaType))).toBe('RegistryError');
    expect(() => parseManifest(text, mediaType)).toThrow(words);
  });

  it('is read whatever the case and the parameters of its type', () => {
    expect(parseManifest('{"manifests":[]}', `${INDEX.toUpperCase()}; charset=utf-8`)).toEqual({
      kind: 'index',
      children: [],
    });
  });

  it('of a chart or a signature is no image', () => {
    const config = { digest: toHex('a'), sizeBytes: 2 };
    const toImage = (mediaType: string) => ({
      kind: 'image' as const,
      config: { ...config, mediaType },
      layers: [],
    });
    expect(() => requireImage(toImage('application/vnd.cncf.helm.config.v1+json'))).toThrow(
      /no container image/,
    );
    requireImage(toImage('application/vnd.oci.image.config.v1+json'));
    requireImage(toImage('application/octet-stream'));
  });

  it('of more values than any engine needs is refused, however few bytes they take', () => {
    const config = `"config":{"digest":"${toHex('a')}","size":1},"layers":[]`;
    for (const rest of [`[${'{},'.repeat(60_000)}0]`, `${'['.repeat(60_000)}${']'.repeat(60_000)}`]) {
      expect(() => parseManifest(`{${config},"x":${rest}}`, DOCKER)).toThrow(/no proper number of values/);
    }
  });

  it('of a thousand entries with all that they may have is read', () => {
    const annotations = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`a${at}`, '[{,"\\']));
    const platform = { os: 'linux', architecture: 'arm', variant: 'v7', 'os.features': ['a', 'b'] };
    const entry = { mediaType: DOCKER, digest: toHex('a'), size: 1, platform, annotations };
    const text = JSON.stringify({ manifests: Array.from({ length: 1000 }, () => entry) });
    expect(parseManifest(text, INDEX)).toMatchObject({ kind: 'index', children: { length: 1000 } });
  });

  it('of whatever text and type is read or refused as an AgentError, and so is an image configuration', () => {
    const type = fc.constantFrom(DOCKER, INDEX, '__proto__');
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), type, (text, mediaType) => {
        for (const attempt of [() => parseManifest(text, mediaType), () => parseImageConfig(text)]) {
          expect(reasonOf(attempt)).toMatch(/^(none|RegistryError)$/);
        }
      }),
    );
  });
});

describe('an image configuration', () => {
  it('tells platform and unpacked layers', () => {
    const text = JSON.stringify({
      os: 'linux',
      architecture: 'arm',
      variant: 'v7',
      rootfs: { diff_ids: [toHex('a')] },
    });
    expect(parseImageConfig(text)).toEqual({
      platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
      diffIds: [toHex('a')],
    });
  });

  it('for a platform whose name is longer than any is for an unknown one', () => {
    for (const part of ['os', 'architecture', 'variant']) {
      const fields = { os: 'linux', architecture: 'arm', [part]: 'v'.repeat(65), rootfs: { diff_ids: [] } };
      const { platform } = parseImageConfig(JSON.stringify(fields));
      expect(platform).toEqual({ os: 'unknown', architecture: 'unknown' });
    }
  });

  it.each([
    '{"os":"linux","architecture":"arm"}',
    '{"rootfs":{"diff_ids":[]}}',
    '{"os":"linux","architecture":"arm","rootfs":{"diff_ids":[7]}}',
  ])('%s is refused', (text) => {
    expect(reasonOf(() => parseImageConfig(text))).toBe('RegistryError');
  });
});
