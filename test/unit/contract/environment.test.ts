import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { EnvironmentError, parseEnvironment } from '#contract/environment';

const EDGE = {
  IOTEDGE_WORKLOADURI: 'unix:///var/run/iotedge/workload.sock',
  IOTEDGE_DEVICEID: 'device',
  IOTEDGE_MODULEID: 'puller',
  IOTEDGE_MODULEGENERATIONID: '638',
  IOTEDGE_IOTHUBHOSTNAME: 'hub.azure-devices.net',
  IOTEDGE_AUTHSCHEME: 'sasToken',
  IOTEDGE_GATEWAYHOSTNAME: 'gateway',
  IOTEDGE_APIVERSION: '2018-06-28',
};
const SIMULATED =
  'HostName=hub.azure-devices.net;GatewayHostName=gateway;DeviceId=device;ModuleId=puller;SharedAccessKey=S3cr3t+key=';

describe('the environment', () => {
  it('is read as edgeAgent sets it', () => {
    expect(parseEnvironment(EDGE)).toEqual({
      hub: {
        kind: 'workload',
        workloadUri: EDGE.IOTEDGE_WORKLOADURI,
        deviceId: 'device',
        moduleId: 'puller',
        generationId: '638',
        iothubHostName: 'hub.azure-devices.net',
        authScheme: 'sasToken',
        gatewayHostName: 'gateway',
      },
      dockerHost: 'unix:///var/run/docker.sock',
      logLevel: 'info',
      httpPort: 9600,
      relayPort: 5010,
    });
  });

  it('is read as a simulator sets it, and hides the key', () => {
    const environment = parseEnvironment({
      EdgeHubConnectionString: SIMULATED,
      EdgeModuleCACertificateFile: '/ca.pem',
    });
    expect(environment.hub).toMatchObject({ kind: 'connection-string', caFile: '/ca.pem' });
    expect(environment.hub.kind === 'connection-string' && environment.hub.connectionString.reveal()).toBe(
      SIMULATED,
    );
    expect(JSON.stringify(environment)).not.toContain('S3cr3t');
  });

  it('takes every variable of the contract', () => {
    const environment = parseEnvironment({
      ...EDGE,
      IOTEDGE_PARENTHOSTNAME: 'parent.local',
      DOCKER_HOST: 'tcp://127.0.0.1:2375',
      storageFolder: '/srv/puller',
      HTTP_PORT: '0',
      RELAY_PORT: '0',
    });
    expect(environment).toMatchObject({
      parentHostName: 'parent.local',
      dockerHost: 'tcp://127.0.0.1:2375',
      storageFolder: '/srv/puller',
      httpPort: 0,
      relayPort: 0,
    });
  });

  it('counts an empty variable as absent', () => {
    const environment = parseEnvironment({
      ...EDGE,
      DOCKER_HOST: '',
      HTTP_PORT: '',
      IOTEDGE_PARENTHOSTNAME: '',
    });
    expect(environment).toEqual(parseEnvironment(EDGE));
  });

  it.each([
    ['Verbose', 'debug'],
    ['Debug', 'debug'],
    ['Information', 'info'],
    ['Warning', 'warn'],
    ['Error', 'error'],
    ['Fatal', 'error'],
    ['warning', 'warn'],
  ])('logs at edgeAgent’s level %s as %s', (RuntimeLogLevel, logLevel) => {
    expect(parseEnvironment({ ...EDGE, RuntimeLogLevel }).logLevel).toBe(logLevel);
  });

  it('prefers the LOG_LEVEL that was chosen for the module to what edgeAgent always sets', () => {
    expect(parseEnvironment({ ...EDGE, RuntimeLogLevel: 'Information', LOG_LEVEL: 'debug' }).logLevel).toBe(
      'debug',
    );
  });

  it.each([
    ['IOTEDGE_WORKLOADURI', 'workload.sock', 'must be unix:///path'],
    ['IOTEDGE_DEVICEID', '', 'is missing: edgeAgent sets it; outside IoT Edge set EdgeHubConnectionString'],
    ['IOTEDGE_MODULEGENERATIONID', undefined, 'is missing'],
    ['IOTEDGE_AUTHSCHEME', 'x509', 'must be sasToken'],
    ['EdgeHubConnectionString', 'HostName=hub;DeviceId=device;SharedAccessKey=S3cr3t', 'must be HostName='],
    ['IOTEDGE_PARENTHOSTNAME', 'https://parent', 'must be a host name'],
    ['DOCKER_HOST', '/var/run/docker.sock', 'must be unix:///path or tcp://host:port'],
    ['DOCKER_HOST', 'ssh://user:S3cr3t@host', 'must be unix:///path or tcp://host:port'],
    ['DOCKER_HOST', 'tcp://engine:99999', 'must be unix:///path or tcp://host:port'],
    ['DOCKER_HOST', 'tcp://engine:port', 'must be unix:///path or tcp://host:port'],
    ['DOCKER_HOST', 'tcp://[::1', 'must be unix:///path or tcp://host:port'],
    ['DOCKER_HOST', 'tcp:///var/run/docker.sock', 'must be unix:///path or tcp://host:port'],
    ['IOTEDGE_WORKLOADURI', 'http://edge:99999', 'must be unix:///path or http://host:port'],
    ['storageFolder', 'data', 'must be an absolute path'],
    ['RuntimeLogLevel', 'Loud', 'must be Verbose, Debug'],
    ['LOG_LEVEL', 'S3cr3t', 'must be debug, info, warn or error'],
    ['HTTP_PORT', '65536', 'must be a port'],
    ['HTTP_PORT', '-1', 'must be a port'],
    ['RELAY_PORT', 'http', 'must be a port'],
    ['RELAY_PORT', '9600', 'must be another port than HTTP_PORT'],
  ])('does not fit where %s is %j, and the error shows no value', (name, value, rule) => {
    const parse = () => parseEnvironment({ ...EDGE, [name]: value });
    expect(parse).toThrow(EnvironmentError);
    expect(parse).toThrow(`${name} ${rule}`);
    expect(parse).not.toThrow(/S3cr3t/);
  });

  it('has all that is wrong in one error', () => {
    const { IOTEDGE_MODULEID: _, ...env } = EDGE;
    expect(() => parseEnvironment({ ...env, HTTP_PORT: 'x', LOG_LEVEL: 'x' })).toThrow(
      /^IOTEDGE_MODULEID is missing.*; .*LOG_LEVEL must be.*HTTP_PORT must be/,
    );
  });

  it('is read, or refused with an EnvironmentError that shows no value, whatever it holds', () => {
    const names = Object.keys(EDGE).concat(
      'EdgeHubConnectionString',
      'DOCKER_HOST',
      'HTTP_PORT',
      'LOG_LEVEL',
    );
    const value = fc
      .oneof(fc.string({ unit: 'binary' }), fc.constantFrom('9600', SIMULATED))
      .map((text) => `Qx!${text}`);
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value), (env) => {
        const outcome = outcomeOf(() => parseEnvironment({ ...EDGE, ...env }));
        expect(outcome).not.toContain('Qx!');
      }),
    );
  });
});

/** The message of an EnvironmentError; empty where none is thrown. */
function outcomeOf(run: () => unknown): string {
  try {
    run();
    return '';
  } catch (error) {
    if (error instanceof EnvironmentError) return error.message;
    throw error;
  }
}
