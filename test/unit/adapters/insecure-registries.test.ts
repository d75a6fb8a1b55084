import { expect, test } from 'vitest';
import { isInsecureRegistry } from '#adapters/insecure-registries';

const config = {
  InsecureRegistryCIDRs: ['127.0.0.0/8', '::1/128', '10.1.0.0/16', 'garbage'],
  IndexConfigs: { 'plant.local:8000': { Secure: false }, 'docker.io': { Secure: true } },
};

test.each([
  ['127.0.0.1:8000', true],
  ['127.9.9.9', true],
  ['localhost:8000', true],
  ['[::1]:8000', true],
  ['10.1.2.3:443', true],
  ['10.2.2.3:443', false],
  ['plant.local:8000', true],
  ['plant.local', false],
  ['plant.local:8001', false],
  ['docker.io', false],
  ['[::2]:8000', false],
  ['127.0.0.1.evil.example', false],
  ['localhost.evil.example', false],
  ['', false],
  ['no address', false],
])('the engine does without a certificate at %s: %s', (address, isInsecure) => {
  expect(isInsecureRegistry(address, config)).toBe(isInsecure);
});

test.each([undefined, null, {}, { InsecureRegistryCIDRs: null, IndexConfigs: null }])(
  'an engine that declares nothing insecure, %j, has no insecure registry',
  (empty) => {
    expect(isInsecureRegistry('127.0.0.1:8000', empty)).toBe(false);
  },
);
