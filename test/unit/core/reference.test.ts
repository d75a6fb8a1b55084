import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  formatReference,
  formatRepository,
  formatTagged,
  InvalidReference,
  isRegistryAddress,
  isUpstream,
  parseReference,
  resolveUpstream,
} from '#core/reference';

const DIGEST = `sha256:${'0f'.repeat(32)}`;

describe('a reference', () => {
  it.each([
    ['hello-world', { repository: 'hello-world' }],
    ['acme/camera:1.4', { repository: 'acme/camera', tag: '1.4' }],
    ['acme/camera:1.4/x', undefined],
    ['library', { repository: 'library' }],
    ['localhost', { repository: 'localhost' }],
    ['localhost:5000', { repository: 'localhost', tag: '5000' }],
    ['localhost/a', { registry: 'localhost', repository: 'a' }],
    ['plant/a', { repository: 'plant/a' }],
    ['plant.local/a', { registry: 'plant.local', repository: 'a' }],
    ['plant:8000/a/b', { registry: 'plant:8000', repository: 'a/b' }],
    ['Plant.Local:8000/a', { registry: 'Plant.Local:8000', repository: 'a' }],
    ['[::1]:5000/a:b', { registry: '[::1]:5000', repository: 'a', tag: 'b' }],
    ['$upstream/a', { registry: '$upstream', repository: 'a' }],
    ['$upstream:8000/a', { registry: '$upstream:8000', repository: 'a' }],
    [`a@${DIGEST}`, { repository: 'a', digest: DIGEST }],
    [`x.io/a:1@${DIGEST}`, { registry: 'x.io', repository: 'a', tag: '1', digest: DIGEST }],
    ['a__b/c.d/e---f', { repository: 'a__b/c.d/e---f' }],
    [`a:${'t'.repeat(128)}`, { repository: 'a', tag: 't'.repeat(128) }],
  ])('%j is taken apart by Docker’s rule', (text, expected) => {
    const parse = () => parseReference(text);
    const outcome = expected === undefined ? InvalidReference : expected;
    expect(outcomeOf(parse)).toEqual(outcome);
  });

  it.each([
    ['', 'the repository is missing'],
    ['x.io/', 'the repository is missing'],
    [':tag', 'the repository is missing'],
    ['/a', 'is not a repository'],
    ['a/', 'is not a repository'],
    ['a//b', 'is not a repository'],
    ['a___b', 'is not a repository'],
    ['a..b', 'is not a repository'],
    ['-a', 'is not a repository'],
    ['a b', 'is not a repository'],
    ['Acme/a', 'must be lower-case'],
    ['x.io/A', 'must be lower-case'],
    ['a:', 'is not a tag'],
    ['a:-1', 'is not a tag'],
    [`a:${'t'.repeat(129)}`, 'is not a tag'],
    ['a@', 'the digest must be'],
    ['a@sha256:abc', 'the digest must be'],
    [`a@${DIGEST.toUpperCase()}`, 'the digest must be'],
    [`a@${DIGEST}@${DIGEST}`, 'more than one "@"'],
    ['http://x.io/a', 'is not a registry address'],
    ['x.io:port/a', 'is not a registry address'],
    ['x.io:70000/a', 'is not a registry address'],
    ['a_b.c/x', 'is not a registry address'],
    ['$upstream:/a', 'is not a registry address'],
    [`x.io/${'a'.repeat(251)}`, 'longer than 255'],
  ])('%j is refused with the part that is wrong', (text, message) => {
    expect(() => parseReference(text)).toThrow(InvalidReference);
    expect(() => parseReference(text)).toThrow(message);
  });

  it('comes back from its text', () => {
    fc.assert(
      fc.property(anyReference, (reference) => {
        expect(parseReference(formatReference(reference))).toEqual(reference);
      }),
    );
  });

  it('is refused, or comes back as it was written, whatever the text', () => {
    const piece = fc.constantFrom(
      ...'a A 1 . _ - / : @ $upstream localhost sha256: x.io [::1]'.split(' '),
      DIGEST,
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece).map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(text, (written) => {
        const outcome = outcomeOf(() => parseReference(written));
        const isKept =
          typeof outcome === 'function' ||
          formatReference({ registry: '', ...outcome }).replace(/^\//, '') === written;
        expect(isKept).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('has a message that repeats no long part of it', () => {
    expect(messageOf(() => parseReference(`x.io/${'A'.repeat(200)}`)).length).toBeLessThan(120);
  });

  it('is named after its tag and its repository', () => {
    const reference = { registry: 'x.io', repository: 'a/b', tag: '1', digest: DIGEST };
    expect(formatRepository(reference)).toBe('x.io/a/b');
    expect(formatTagged(reference)).toBe('x.io/a/b:1');
    expect(formatTagged({ registry: 'x.io', repository: 'a', digest: DIGEST })).toBeUndefined();
  });
});

describe('a registry address', () => {
  it.each([
    '127.0.0.1:8000',
    'plant.local',
    'plant:443',
    'localhost',
    'localhost:5000',
    '[fe80::1]:8000',
    'a.b.c:1',
  ])('is %j', (address) => {
    expect(isRegistryAddress(address)).toBe(true);
  });

  it.each([
    '',
    'plant',
    'http://plant.local',
    'plant.local/',
    'plant.local:',
    'plant.local:0',
    'plant.local:65536',
    'a..b',
    '-a.b',
    'a@b.c',
    'a b.c',
    `${'a'.repeat(260)}.b`,
  ])('is not %j, which Docker would not take for one', (address) => {
    expect(isRegistryAddress(address)).toBe(false);
  });

  it('has the parent where $upstream is its host, and nowhere else', () => {
    expect(resolveUpstream('$upstream:8000', 'parent')).toBe('parent:8000');
    expect(resolveUpstream('$upstream', 'parent')).toBe('parent');
    expect(resolveUpstream('$upstreams:1', 'parent')).toBe('$upstreams:1');
    expect(resolveUpstream('x.io', 'parent')).toBe('x.io');
    expect([isUpstream('$upstream:1'), isUpstream('$upstream'), isUpstream('x.io')]).toEqual([
      true,
      true,
      false,
    ]);
  });
});

const label = fc.stringMatching(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?$/);
const anyAddress = fc
  .tuple(
    fc.oneof(fc.array(label, { minLength: 2, maxLength: 3 }).map((parts) => parts.join('.'))),
    fc.integer({ min: 1, max: 65_535 }),
  )
  .chain(([host, port]) =>
    fc.constantFrom(host, `${host}:${port}`, 'localhost', `localhost:${port}`, `[::1]:${port}`),
  );
const anyPath = fc
  .array(fc.stringMatching(/^[a-z0-9]{1,9}((\.|_|__|-{1,3})[a-z0-9]{1,9}){0,2}$/), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) => parts.join('/'));
const anyTag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}$/);
const anyReference = fc.record(
  { registry: anyAddress, repository: anyPath, tag: anyTag, digest: fc.constant(DIGEST) },
  { requiredKeys: ['registry', 'repository'] },
);

/** What a function returns, or the class of what it throws. */
function outcomeOf<T>(run: () => T): T | typeof InvalidReference {
  try {
    return run();
  } catch (error) {
    if (error instanceof InvalidReference) return InvalidReference;
    throw error;
  }
}

function messageOf(run: () => unknown): string {
  try {
    run();
    return '';
  } catch (error) {
    return String(error);
  }
}
