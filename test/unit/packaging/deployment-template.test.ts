import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  expandTemplate,
  listModules,
  listVariables,
  parseEnvFile,
  readCreateOptions,
  readDesired,
  readEnvironment,
} from '#test/manifests/expand';
import type { Json } from '#test/manifests/expand';
import { listSchemaFaults } from '#test/manifests/schemas';
import { faultsOf, stateOf } from '../contract/documents.ts';

const template = readFileSync('deployment.template.json', 'utf8');
const moduleJson = readFileSync('module.json', 'utf8');
const secrets = {
  CONTAINER_REGISTRY_USERNAME: 'cloud-token',
  CONTAINER_REGISTRY_PASSWORD: 'pass word of the cloud',
  CONNECTED_REGISTRY_USERNAME: 'plant-token',
  CONNECTED_REGISTRY_PASSWORD: 'first password of the plant',
  CONNECTED_REGISTRY_PASSWORD2: 'second password of the plant',
};
const env: Readonly<Record<string, string>> = {
  ...parseEnvFile(readFileSync('.env.example', 'utf8')),
  ...secrets,
  DOCKER_GROUP_ID: '998',
};
const expand = (platform: string) => expandTemplate({ template, moduleJson, env, platform });

describe('the deployment template', () => {
  test('fits the published schema of deployment templates 4.0', () => {
    expect(listSchemaFaults('azure-iot-edge-deployment-template-4.0', JSON.parse(template))).toEqual([]);
  });

  test('asks .env for exactly the variables that .env.example lists', () => {
    const asked = listVariables(template + moduleJson);
    const listed = Object.keys(parseEnvFile(readFileSync('.env.example', 'utf8')));
    expect([...asked].toSorted()).toEqual(listed.toSorted());
  });

  test('holds no password itself', () => {
    const values = Array.from(template.matchAll(/"password2?": "(.*)"/g), ([, value]) => value);
    expect(values).toHaveLength(3);
    for (const value of values) expect(value).toMatch(/^\$[A-Z0-9_]+$/);
  });
});

describe.each(['amd64', 'arm64v8'])('the deployment manifest for %s', (platform) => {
  const manifest = expand(platform);

  test('fits the published schema of deployments 2.0', () => {
    expect(listSchemaFaults('azure-iot-edge-deployment-2.0', manifest)).toEqual([]);
  });

  test('does not fit it with a restart policy of another system', () => {
    const puller = { ...listModules(manifest)['puller'], restartPolicy: 'unless-stopped' };
    const text = JSON.stringify(manifest).replace(
      JSON.stringify(listModules(manifest)['puller']),
      JSON.stringify(puller),
    );
    expect(listSchemaFaults('azure-iot-edge-deployment-2.0', JSON.parse(text)).join()).toContain(
      'restartPolicy',
    );
  });

  test('names the image that module.json builds', () => {
    expect(listModules(manifest)['puller']?.settings['image']).toBe(
      `contoso.azurecr.io/connected-registry-puller:0.1.0-${platform}`,
    );
  });

  test('gives the module desired properties without a fault', () => {
    const desired = readDesired(manifest, 'puller');
    expect(faultsOf(desired)).toEqual([]);
    expect(stateOf(desired)).toMatchObject({ unknownProperties: [] });
    expect([...stateOf(desired).images.keys()]).toEqual(['camera', 'hello']);
  });

  test('keeps every password out of what docker inspect shows', () => {
    for (const [name, { settings, env: environment }] of Object.entries(listModules(manifest))) {
      const shown = JSON.stringify([settings, environment]);
      for (const secret of Object.values(secrets)) {
        expect(`${name}: ${shown}`).not.toContain(secret);
      }
    }
  });

  test('locks the container down and leaves it the socket and its storage', () => {
    const { HostConfig } = readCreateOptions(manifest, 'puller') as { HostConfig: Json };
    expect(HostConfig).toMatchObject({
      Binds: ['/var/run/docker.sock:/var/run/docker.sock', 'puller:/iotedge/storage'],
      GroupAdd: [env['DOCKER_GROUP_ID']],
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Memory: 96 * 1024 ** 2,
      NanoCpus: 0.5e9,
      PidsLimit: 64,
      LogConfig: { Type: 'local', Config: { 'max-size': '10m', 'max-file': '3' } },
    });
    expect(readEnvironment(manifest, 'puller')).toEqual({ storageFolder: '/iotedge/storage' });
    expect(HostConfig).not.toHaveProperty('Privileged');
  });

  test('publishes the relay on the loopback of the host alone, and lets the module reach the host', () => {
    const options = readCreateOptions(manifest, 'puller') as { HostConfig: Json; ExposedPorts: Json };
    expect(options.ExposedPorts).toEqual({ '5010/tcp': {} });
    expect(options.HostConfig).toMatchObject({
      PortBindings: { '5010/tcp': [{ HostIp: '127.0.0.1', HostPort: '5010' }] },
      ExtraHosts: ['host.docker.internal:host-gateway'],
    });
  });

  test('routes the events of the module to IoT Hub', () => {
    const routes = Object.values(
      readDesired(manifest, '$edgeHub')['routes'] as Record<string, { route: string }>,
    );
    expect(routes.map(({ route }) => route)).toEqual([
      'FROM /messages/modules/puller/outputs/pullEvents INTO $upstream',
    ]);
  });
});

describe('createOptions', () => {
  const templateWith = (length: number) => {
    const manifest = JSON.parse(template) as Json;
    const puller = listModules(manifest)['puller'];
    if (puller !== undefined)
      puller.settings['createOptions'] = { Labels: 'x'.repeat(length - '{"Labels":""}'.length) };
    return expandTemplate({ template: JSON.stringify(manifest), moduleJson, env, platform: 'amd64' });
  };

  test('of 4,096 characters are put together again from their eight pieces', () => {
    const manifest = templateWith(4096);
    expect(listModules(manifest)['puller']?.settings).toHaveProperty('createOptions07');
    expect(JSON.stringify(readCreateOptions(manifest, 'puller'))).toHaveLength(4096);
    expect(listSchemaFaults('azure-iot-edge-deployment-2.0', manifest)).toEqual([]);
  });

  test('of one character more are refused, as the tools refuse them', () => {
    expect(() => templateWith(4097)).toThrow('createOptions of puller are 4097 characters');
  });
});
