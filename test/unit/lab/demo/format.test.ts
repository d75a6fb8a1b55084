import { expect, it } from 'vitest';
import { formatBytes, formatImageTable, formatJson } from '#lab/demo/format';

it.each([
  [200, '200 B'],
  [131_072, '131 kB'],
  [999_499, '999 kB'],
  [31_000_000, '31.0 MB'],
])('calls %d bytes %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

it('keeps what fits on one line, and stays JSON', () => {
  const document = {
    short: { a: 1, list: [true, null] },
    long: { first: 'x'.repeat(40), second: 'y'.repeat(40) },
    empty: {},
    nothing: [],
  };
  const text = formatJson(document);
  expect(JSON.parse(text)).toEqual(document);
  expect(text.split('\n')).toEqual([
    '{',
    '  "short": { "a": 1, "list": [true, null] },',
    '  "long": {',
    `    "first": "${'x'.repeat(40)}",`,
    `    "second": "${'y'.repeat(40)}"`,
    '  },',
    '  "empty": {},',
    '  "nothing": []',
    '}',
  ]);
});

it('keeps the width however deep it goes', () => {
  const text = formatJson({
    someKeyOfTheUsualLength: { anotherOne: { list: ['x'.repeat(18), 'y'.repeat(18)] } },
  });
  expect(text.split('\n')).toEqual([
    '{',
    '  "someKeyOfTheUsualLength": {',
    `    "anotherOne": { "list": ["${'x'.repeat(18)}", "${'y'.repeat(18)}"] }`,
    '  }',
    '}',
  ]);
});

it('lists each name of an image in a row of its own, by registry with its port', () => {
  const image = {
    id: `sha256:${'0123456789ab'.padEnd(64, 'f')}`,
    references: ['127.0.0.1:8000/acme/camera:1.4', 'contoso.example/camera:1'],
    digests: [],
    sizeBytes: 31_000_000,
  };
  expect(formatImageTable([image])).toEqual([
    'REPOSITORY                   TAG   IMAGE ID       SIZE',
    '127.0.0.1:8000/acme/camera   1.4   0123456789ab   31.0 MB',
    'contoso.example/camera       1     0123456789ab   31.0 MB',
  ]);
});
