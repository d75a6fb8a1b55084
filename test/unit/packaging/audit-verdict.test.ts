import { expect, test } from 'vitest';
import { toVerdict } from '../../../scripts/audit-verdict.ts';

const leaky = {
  severity: 'high',
  range: '<2.0.0',
  via: [{ title: 'Leaks memory', url: 'https://github.com/advisories/GHSA-0' }],
};

test('a vulnerability in a bundled package is a failure, and told with its title', () => {
  expect(toVerdict({ vulnerabilities: { leaky } }, new Set(['leaky']))).toEqual({
    lines: ['leaky <2.0.0: high, BUNDLED: Leaks memory'],
    isFailure: true,
  });
});

test('one in a package that is not bundled is told, and no failure', () => {
  const vulnerabilities = { leaky, user: { severity: 'high', range: '*', via: ['leaky'] } };
  expect(toVerdict({ vulnerabilities }, new Set(['zod']))).toEqual({
    lines: ['leaky <2.0.0: high, not bundled: Leaks memory', 'user *: high, not bundled'],
    isFailure: false,
  });
});

test('a registry that knows of nothing and one that does not answer are told apart', () => {
  expect(toVerdict({ vulnerabilities: {} }, new Set())).toMatchObject({
    lines: ['npm audit: nothing is known'],
  });
  expect(toVerdict({ message: '405 Method Not Allowed' }, new Set())).toEqual({
    lines: ['npm audit: nothing was checked: 405 Method Not Allowed'],
    isFailure: false,
  });
});
