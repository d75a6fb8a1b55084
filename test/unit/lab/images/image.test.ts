import { json } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { listBlobs, multiPlatformImage, syntheticImage } from '#lab/images/image';

const base = { sizeBytes: 4000, seed: 'base' };

it('has the same digest whenever it is made of the same specs', async () => {
  const options = { layers: [base, { sizeBytes: 100, seed: 'app' }], config: { Env: ['A=1'] } };

  const [first, second] = await Promise.all([
    syntheticImage(options),
    syntheticImage(structuredClone(options)),
  ]);

  expect(first.manifest.digest).toBe(second.manifest.digest);
});

it('shares the layers that it has in common with another image', async () => {
  const one = await syntheticImage({ layers: [base, { sizeBytes: 100, seed: 'one' }] });
  const two = await syntheticImage({ layers: [base, { sizeBytes: 100, seed: 'two' }] });

  expect(one.layers[0]?.digest).toBe(two.layers[0]?.digest);
  expect(one.layers[1]?.digest).not.toBe(two.layers[1]?.digest);
});

it.each([
  ['docker', 'application/vnd.docker.distribution.manifest.v2+json', /\.tar\.gzip$/],
  ['oci', 'application/vnd.oci.image.manifest.v1+json', /\.tar\+gzip$/],
] as const)(
  'lists configuration and layers in a manifest of the format %s',
  async (format, mediaType, layerType) => {
    const image = await syntheticImage({ layers: [base], platform: 'linux/arm/v7', format });

    expect(await json(image.manifest.open())).toEqual({
      schemaVersion: 2,
      mediaType,
      config: {
        mediaType: image.config.mediaType,
        size: image.config.sizeBytes,
        digest: image.config.digest,
      },
      layers: [
        {
          mediaType: expect.stringMatching(layerType) as string,
          size: image.layers[0]?.sizeBytes,
          digest: image.layers[0]?.digest,
        },
      ],
    });
    expect(await json(image.config.open())).toMatchObject({
      os: 'linux',
      architecture: 'arm',
      variant: 'v7',
    });
  },
);

it('lists one manifest for each platform, with the platform', async () => {
  const images = await Promise.all(
    ['linux/amd64', 'linux/arm/v7'].map((platform) => syntheticImage({ layers: [base], platform })),
  );

  const manifest = await json(multiPlatformImage(images).manifest.open());

  expect(manifest).toMatchObject({
    mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
    manifests: [
      { digest: images[0]?.manifest.digest, platform: { os: 'linux', architecture: 'amd64' } },
      { digest: images[1]?.manifest.digest, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
    ],
  });
});

it('counts a layer that two platforms share once', async () => {
  const images = await Promise.all(
    ['linux/amd64', 'linux/arm64'].map((platform) => syntheticImage({ layers: [base], platform })),
  );

  expect(listBlobs(multiPlatformImage(images))).toHaveLength(3);
});
