import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseEnvironment } from '#contract/environment';
import packageJson from '../../../package.json' with { type: 'json' };
import lock from '../../../package-lock.json' with { type: 'json' };
import moduleJson from '../../../module.json' with { type: 'json' };
import template from '../../../deployment.template.json' with { type: 'json' };

const dockerfiles = Object.entries(moduleJson.image.tag.platforms);
const readLabels = (text: string) =>
  Object.fromEntries(
    Array.from(text.matchAll(/org\.opencontainers\.image\.([a-z.]+)="(.*)"/g), ([, key, value]) => [
      key,
      value,
    ]),
  );

test('one version number stands in package.json, its lock, module.json and the deployment template', () => {
  const { version } = packageJson;
  expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  expect(lock.version).toBe(version);
  expect(moduleJson.image.tag.version).toBe(version);
  expect(template.modulesContent.$edgeAgent['properties.desired'].modules.puller.version).toBe(version);
});

test('the Dockerfiles differ in the platform alone', () => {
  const neutral = dockerfiles.map(([, path]) =>
    readFileSync(path, 'utf8').replaceAll(/\b(amd64|arm64)\b/g, 'ARCHITECTURE'),
  );
  expect(neutral).toHaveLength(2);
  expect(neutral[0]).toBe(neutral[1]);
});

describe.each(dockerfiles)('the Dockerfile for %s', (platform, path) => {
  const text = readFileSync(path, 'utf8');
  const last = text.slice(text.lastIndexOf('\nFROM '));

  test('builds for its own platform on any machine', () => {
    expect(last).toContain(`FROM --platform=linux/${platform.replace('v8', '')} `);
  });

  test('labels the image with the version, licence and description of package.json and its base', () => {
    expect(readLabels(text)).toEqual({
      title: packageJson.name,
      description: packageJson.description,
      version: packageJson.version,
      revision: '$REVISION',
      licenses: packageJson.license,
      'base.name': /FROM --platform=\S+ (\S+)/.exec(last)?.[1],
    });
  });

  test('runs Node.js of the major version that the tests run on', () => {
    const [major] = packageJson.devDependencies.node.split('.');
    expect(last).toContain(`nodejs${major}-`);
    expect(text).toContain(`FROM node:${major}-`);
  });

  test('asks the module alone how it is', () => {
    expect(text).toMatch(
      /^HEALTHCHECK .*\\\n  CMD \["\/nodejs\/bin\/node", "\/app\/dist\/healthcheck\.js"\]$/m,
    );
  });

  test('exposes the ports that can be published: Docker 20.10 publishes no other one', () => {
    const { httpPort, relayPort } = parseEnvironment({
      EdgeHubConnectionString: 'HostName=h;GatewayHostName=g;DeviceId=d;ModuleId=m;SharedAccessKey=a2V5',
    });
    expect(last).toContain(`\nEXPOSE ${httpPort} ${relayPort}\n`);
  });

  test('runs nothing in the last stage, which has no shell', () => {
    expect(last).not.toMatch(/^\s*(RUN|ADD|SHELL)\b/m);
    expect(last).toContain('USER 1000:1000');
  });

  test('copies nothing that .dockerignore keeps from it', () => {
    const allowed = readFileSync('.dockerignore', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('!'));
    const copied = Array.from(text.matchAll(/^COPY (?!--)(.+) \S+$/gm), ([, sources = '']) =>
      sources.split(' '),
    ).flat();
    expect(copied.map((source) => `!${source}`).toSorted()).toEqual(allowed.toSorted());
    expect(copied.filter((source) => !existsSync(source))).toEqual([]);
  });
});
