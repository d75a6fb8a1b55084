import { describe, expect, it } from 'vitest';
import type { FailureReason } from '#core/reason';
import { adviseOn, split } from '#core/registry-advice';
import type { CheckName, CheckQuestion } from '#core/registry-advice';
import { isPullable, judgeEngine } from '#core/registry-check';
import type { CheckStep, EngineFindings, Finding } from '#core/registry-check';
import { judgeProbe } from '#core/registry-probe';
import type { Probe } from '#core/registry-probe';

const question: CheckQuestion = { name: 'plant', address: '10.0.0.9:5000', username: 'token' };
const camera = { ...question, repository: 'acme/camera' };
const ok: Finding = { kind: 'ok' };
const failed = (reason: FailureReason, message = 'why'): Finding => ({ kind: 'failed', reason, message });
const toText = (steps: readonly CheckStep[]): string[] =>
  steps.map((step) =>
    [step.step, step.credential, step.result, step.result === 'failed' ? step.reason : undefined]
      .filter((part) => part !== undefined)
      .join(' '),
  );

describe('what the engine found', () => {
  const { username: _username, ...anonymous } = camera;
  it.each<[string, CheckQuestion, EngineFindings, string[], boolean]>([
    ['is well', question, { reach: ok, logins: [['password', ok]] }, ['reach ok', 'login password ok'], true],
    [
      'is well with one password of two',
      camera,
      {
        reach: ok,
        logins: [
          ['password', failed('Unauthorized')],
          ['password2', ok],
        ],
        manifest: ok,
      },
      ['reach ok', 'login password failed Unauthorized', 'login password2 ok', 'manifest ok'],
      true,
    ],
    [
      'leaves out what needs a registry that it does not reach',
      camera,
      { reach: failed('RegistryUnreachable') },
      ['reach failed RegistryUnreachable', 'login skipped', 'manifest skipped'],
      false,
    ],
    [
      'leaves out the manifest where no password is accepted',
      camera,
      { reach: ok, logins: [['password', failed('Unauthorized')]] },
      ['reach ok', 'login password failed Unauthorized', 'manifest skipped'],
      false,
    ],
    [
      'needs no login at an anonymous registry',
      anonymous,
      { reach: ok, logins: [], manifest: ok },
      ['reach ok', 'login skipped', 'manifest ok'],
      true,
    ],
    [
      'is not well without the manifest that was asked for',
      camera,
      { reach: ok, logins: [['password', ok]], manifest: failed('AccessDenied') },
      ['reach ok', 'login password ok', 'manifest failed AccessDenied'],
      false,
    ],
    [
      'says what there was no time for',
      camera,
      { reach: ok, logins: [['password', ok]], manifest: { kind: 'unasked' } },
      ['reach ok', 'login password ok', 'manifest skipped'],
      false,
    ],
  ])('%s', (...[, asked, findings, steps, isOk]) => {
    expect(toText(judgeEngine(asked, findings))).toEqual(steps);
    expect(isPullable(asked, findings)).toBe(isOk);
  });
});

describe('what the module found on its own way', () => {
  const open: Probe = { addresses: { value: ['10.0.0.9'] }, connection: { value: true } };
  const certificate = {
    kind: 'certificate',
    subject: 'registry',
    issuer: 'Plant CA',
    validTo: '2027-01-01T00:00:00Z',
  } as const;
  const answer = { value: { status: 401, isRegistry: true, challenge: 'Bearer' } };
  it.each<[string, string, Probe, boolean, string[]]>([
    ['is nothing where it had no time', '10.0.0.9:5000', {}, true, ['resolve skipped']],
    [
      'ends with a name that is not known',
      'registry.plant:5000',
      { addresses: { error: 'getaddrinfo ENOTFOUND' } },
      false,
      ['resolve failed RegistryUnreachable'],
    ],
    [
      'ends at a closed port',
      '10.0.0.9:5000',
      { ...open, connection: { error: 'ECONNREFUSED' } },
      false,
      ['resolve ok', 'connect failed RegistryUnreachable'],
    ],
    [
      'says nothing of the host’s own loopback',
      '127.0.0.1:8000',
      { ...open, connection: { error: 'ECONNREFUSED' } },
      true,
      ['resolve ok', 'connect skipped'],
    ],
    [
      'is plain HTTP that the engine takes',
      '10.0.0.9:5000',
      { ...open, tls: { value: { kind: 'plain' } }, answer },
      true,
      ['resolve ok', 'connect ok', 'tls ok', 'v2 ok'],
    ],
    [
      'is plain HTTP that the engine refuses',
      '10.0.0.9:5000',
      { ...open, tls: { value: { kind: 'plain' } }, answer },
      false,
      ['resolve ok', 'connect ok', 'tls failed RegistryInsecure', 'v2 ok'],
    ],
    [
      'is plain HTTP on loopback, of a registry that is broken otherwise',
      'localhost:5000',
      { ...open, tls: { value: { kind: 'plain' } }, answer: { value: { status: 404, isRegistry: false } } },
      false,
      ['resolve ok', 'connect ok', 'tls ok', 'v2 failed RegistryError'],
    ],
    [
      'is a certificate that it trusts',
      '10.0.0.9:5000',
      { ...open, tls: { value: certificate }, answer },
      true,
      ['resolve ok', 'connect ok', 'tls ok', 'v2 ok'],
    ],
    [
      'is a certificate that it does not trust',
      '10.0.0.9:5000',
      { ...open, tls: { value: { ...certificate, distrust: 'SELF_SIGNED' } } },
      true,
      ['resolve ok', 'connect ok', 'tls failed RegistryUntrusted', 'v2 skipped'],
    ],
    [
      'ends in a handshake that breaks',
      '10.0.0.9:5000',
      { ...open, tls: { error: 'ECONNRESET' } },
      false,
      ['resolve ok', 'connect ok', 'tls failed RegistryError'],
    ],
    [
      'ends with an answer that breaks',
      '10.0.0.9:5000',
      { ...open, tls: { value: certificate }, answer: { error: 'socket hang up' } },
      false,
      ['resolve ok', 'connect ok', 'tls ok', 'v2 failed RegistryError'],
    ],
  ])('%s', (...[, address, probe, isReached, steps]) => {
    expect(toText(judgeProbe({ ...question, address }, probe, isReached))).toEqual(steps);
  });
});

describe('advice', () => {
  it.each<[CheckName, FailureReason, string, string]>([
    ['reach', 'RegistryUntrusted', 'x509: unknown authority', '/etc/docker/certs.d/10.0.0.9:5000/ca.crt'],
    ['reach', 'RegistryUntrusted', 'certificate has expired or is not yet valid', 'run: date'],
    ['reach', 'RegistryUntrusted', 'certificate is valid for a, not b', 'name that is in the certificate'],
    ['reach', 'RegistryUntrusted', 'missing key x for client certificate y', 'its *.key'],
    ['reach', 'RegistryInsecure', 'HTTP response to HTTPS client', '"insecure-registries"'],
    ['reach', 'RegistryUnreachable', 'connection refused', 'getent hosts 10.0.0.9'],
    ['reach', 'RegistryUnreachable', 'Client.Timeout exceeded', 'iotedge restart'],
    ['reach', 'RegistryUnreachable', 'Proxy Authentication Required', 'user:password@proxy'],
    ['reach', 'RegistryError', 'status: 404', 'curl -si https://10.0.0.9:5000/v2/'],
    ['login', 'Unauthorized', 'incorrect', '--registry <acr> --token token … --rotate password '],
    ['login', 'Unauthorized', 'incorrect', '--add-client-tokens token'],
    ['manifest', 'Unauthorized', 'required', 'Set username and password'],
    ['manifest', 'AccessDenied', 'denied', '--add-repository acme/camera content/read,'],
    ['manifest', 'NotFound', 'unknown', 'permissions update --registry <acr>'],
    ['manifest', 'RateLimited', 'too many', 'fewer requests'],
    ['tls', 'RegistryUntrusted', 'self-signed', 'registryCredentials.plant.ca'],
    ['connect', 'RegistryUnreachable', 'refused', 'network of the host'],
    ['relay', 'RegistryUnreachable', 'refused', '"ExposedPorts": {"5010/tcp": {}}'],
  ])('on %s that fails with %s (%s) names %s', (step, reason, message, expected) => {
    expect(adviseOn(camera, { step }, { reason, message })).toContain(expected);
  });

  it('names the cloud registry and the second password where they are known', () => {
    const cloud = { ...camera, address: 'contoso.azurecr.io' };
    const refused = { reason: 'Unauthorized', message: 'incorrect' } as const;
    expect(adviseOn(cloud, { step: 'login', credential: 'password2' }, refused)).toContain(
      '--registry contoso --token token … --rotate password2',
    );
  });

  it('has a password that may wait for its sync waited for, and ends none before', () => {
    const refused = { reason: 'Unauthorized', message: 'incorrect' } as const;
    const advice = adviseOn(camera, { step: 'login', credential: 'password2' }, refused);
    const order = ['renewed lately, wait', '--add-client-tokens', '--rotate'].map((part) =>
      advice.indexOf(part),
    );
    expect(order[0]).toBeGreaterThanOrEqual(0);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    // az would print the password.
    expect(advice).not.toContain('credential generate');
  });
});

it.each([
  ['10.0.0.9:5000', '10.0.0.9', 5000],
  ['registry.plant', 'registry.plant', 443],
  ['[::1]:5000', '[::1]', 5000],
  ['[::1]', '[::1]', 443],
])('%s is a host and a port', (address, host, port) => {
  expect(split(address)).toEqual({ host, port });
});
