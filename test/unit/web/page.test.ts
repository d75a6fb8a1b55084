import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAILURES } from '#core/reason';
import type { FailureReason } from '#core/reason';
import type { ImageStatus } from '#core/status';
import { BEAT_SECONDS } from '#web/answer';
import { formatDuration, formatMoment } from '#web/format';
import { toHeadline } from '#web/headline';
import { toHealthAnswer, toReadyAnswer } from '#web/health';
import { html } from '#web/html';
import { formatPage } from '#web/page';
import { formatSelection, selectImages, toSelection } from '#web/selection';
import { toView } from '#web/view';
import { makeOverview, MISSING, NOW_MS, PULLED } from './overview.ts';

const ALL = toSelection(new URLSearchParams());

describe('HTML', () => {
  it('of any text is that text, and never a tag or the end of an attribute', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const made = html`<a href="${text}">${text}</a>`.html;
        expect(made.match(/[<>"]/g)).toEqual(['<', '"', '"', '>', '<', '>']);
        const read = made.replaceAll(/&#(\d+);/g, (_all, code: string) => String.fromCharCode(Number(code)));
        expect(read).toBe(`<a href="${text}">${text}</a>`);
      }),
    );
  });

  it('of HTML and lists of it is as it is; of nothing it is nothing', () => {
    expect(html`${html`<b>${1}</b>`}${[html`<i>2</i>`, html`<i>3</i>`]}${undefined}`.html).toBe(
      '<b>1</b><i>2</i><i>3</i>',
    );
  });
});

it.each([
  [0.2, '1 s'],
  [59, '59 s'],
  [60, '1 min'],
  [185, '3 min 5 s'],
  [1500, '25 min'],
  [11_100, '3 h 5 min'],
  [10_800, '3 h'],
  [183_600, '2 d 3 h'],
  [0, '0 s'],
])('%d seconds are told as %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

it('a moment can be read without script, and by one', () => {
  expect(formatMoment(NOW_MS, 'in').html).toBe(
    '<time datetime="2026-11-24T12:00:00Z" data-as="in">at 2026-11-24 12:00:00 UTC</time>',
  );
});

describe('the headline', () => {
  const pulling: ImageStatus = { ...PULLED, phase: 'Pulling' };
  const waiting: ImageStatus = { ...PULLED, phase: 'Waiting', reason: 'Queued' };
  it.each([
    ['all are here', { a: PULLED, b: PULLED }, 'good', 'All 2 images are on this device', ''],
    ['the only one is here', { a: PULLED }, 'good', 'The image is on this device', ''],
    [
      'some are on their way',
      { a: PULLED, b: pulling, c: waiting },
      'busy',
      '1 of 3 images on this device',
      '1 is being pulled, 1 waits.',
    ],
    [
      'one failed',
      { a: MISSING, b: pulling, c: pulling },
      'bad',
      '0 of 3 images on this device',
      '1 failed, 2 are being pulled.',
    ],
    ['none is desired', {}, 'calm', 'No images are desired', ''],
  ] as const)('where %s', (_where, images, ...[tone, text, rest]) => {
    expect(toHeadline(makeOverview({ images }))).toMatchObject({ tone, text, rest });
  });

  it('where all are here and the registry has still to be asked for newer ones', () => {
    const overview = makeOverview({ images: { a: PULLED } });
    const summary = { ...overview.status.summary, isReady: false };
    expect(toHeadline({ ...overview, status: { ...overview.status, summary } })).toMatchObject({
      tone: 'busy',
      rest: 'The registry is being asked whether they are the current ones.',
    });
  });

  it('where nothing is known yet', () => {
    const { lastDesiredStatus: _none, ...status } = makeOverview().status;
    const unknown = { ...makeOverview(), status, hub: { state: 'unknown', sinceMs: NOW_MS } } as const;
    expect(toHeadline(unknown).text).toBe('Waiting for edgeHub');
    expect(toHeadline({ ...unknown, hub: { state: 'down', sinceMs: NOW_MS } }).text).toBe(
      'Not connected to edgeHub',
    );
  });

  it.each([
    ['are without fault', 200, {}],
    ['have faults beside a registry', 400, { plant: { address: 'plant:5000', login: 'Unknown' } as const }],
  ])('where the desired properties %s, and the engine has not answered yet', (_how, code, registries) => {
    const overview = makeOverview({ registries, status: { lastDesiredStatus: { code, description: '' } } });
    const { lastDesiredVersion: _none, ...status } = overview.status;
    expect(toHeadline({ ...overview, status })).toEqual({
      tone: 'calm',
      text: 'Waiting for the Docker engine',
      rest: 'It has not said yet which images are on this device.',
      title: '0/0',
    });
  });

  it.each([
    ['refused at the first start', 412, undefined, 'The desired properties were refused'],
    ['no object of images', 400, undefined, 'The desired properties were refused'],
    ['refused after some that list nothing', 412, 42, 'The desired properties were refused'],
    ['at fault in all that they list', 400, 42, 'The desired properties have a fault'],
  ])('where the desired properties are %s and no image is in force', (_how, code, version, text) => {
    const overview = makeOverview({ status: { lastDesiredStatus: { code, description: 'why' } } });
    const { lastDesiredVersion: _inForce, ...status } = overview.status;
    const known = version === undefined ? {} : { lastDesiredVersion: version };
    expect(toHeadline({ ...overview, status: { ...status, ...known } })).toEqual({
      tone: 'bad',
      text,
      rest: 'No image is desired that could be pulled.',
      title: '! 0/0',
    });
  });

  it('where the module hangs, whatever it knew before', () => {
    expect(toHeadline(makeOverview({ images: { a: PULLED }, isAlive: false }))).toEqual({
      tone: 'bad',
      text: 'The module hangs',
      rest: 'What is shown here is how it was before.',
      title: '! 1/1',
    });
  });

  it('where the engine is away', () => {
    const engine = { state: 'down', sinceMs: NOW_MS, message: 'no socket' } as const;
    expect(toHeadline(makeOverview({ images: { a: PULLED }, engine }))).toMatchObject({
      tone: 'bad',
      text: 'The Docker engine does not answer',
    });
  });
});

describe('what to do', () => {
  it('is said once for each reason, with its advice, whoever is concerned', () => {
    for (const reason of Object.keys(FAILURES) as FailureReason[]) {
      const image: ImageStatus = { ...MISSING, reason };
      const { problems } = toView(makeOverview({ images: { a: image, b: image } }), ALL).parts;
      const advice = html`${FAILURES[reason].advice}`.html;
      expect(problems.split(advice)).toHaveLength(2);
      expect(problems).toContain(reason);
      expect(problems).toContain('2 images (');
    }
  });

  it('names eight images and leads to the others', () => {
    const images = Object.fromEntries(
      Array.from({ length: 10 }, (_none, index) => [`image-${index}`, MISSING]),
    );
    const { problems } = toView(makeOverview({ images }), ALL).parts;
    expect(problems.match(/find=image-/g)).toHaveLength(8);
    expect(problems).toContain('<a href="/?show=Failed">2 more</a>');
  });

  it('speaks of faults in desired, a hub and an engine that are away, and a disk that is full', () => {
    const overview = makeOverview({
      hub: { state: 'down', sinceMs: NOW_MS },
      engine: { state: 'down', sinceMs: NOW_MS, message: 'no socket <here>' },
      freeBytes: 1000,
      status: { lastDesiredStatus: { code: 400, description: 'images.a.image: wrong' } },
    });
    const { problems } = toView(overview, ALL).parts;
    for (const text of [
      'no socket &#60;here&#62;',
      'Not connected to edgeHub',
      'images.a.image: wrong',
      '1.0 kB free',
    ]) {
      expect(problems).toContain(text);
    }
  });

  it('is to start a module again that hangs', () => {
    const { problems } = toView(makeOverview({ images: { a: PULLED }, isAlive: false }), ALL).parts;
    expect(problems).toContain('<b>The module hangs</b>');
    expect(problems).toContain('iotedge restart');
  });

  it('names the images that do not fit on a disk that has room for others', () => {
    const big: ImageStatus = { ...PULLED, phase: 'Waiting', reason: 'LowDisk', message: 'needs 60000 MB' };
    const queued: ImageStatus = { ...big, reason: 'Queued' };
    const { problems } = toView(makeOverview({ images: { big, camera: PULLED, queued } }), ALL).parts;
    const text = problems.replaceAll(/<[^>]*>/g, '').replaceAll(/\s+/g, ' ');
    expect(text).toContain('LowDisk: 1 image (big), 20.0 GB free, 500 MB are kept free');
    expect(problems).toContain(html`${FAILURES.DiskFull.advice}`.html);
    expect(problems).not.toContain('queued');
  });

  it('names eight images that do not fit, leads to the others, and does so though the free space is not known', () => {
    const big: ImageStatus = { ...PULLED, phase: 'Waiting', reason: 'LowDisk', message: 'needs 60000 MB' };
    const images = Object.fromEntries(Array.from({ length: 10 }, (_none, index) => [`big-${index}`, big]));
    const { freeBytes: _free, ...overview } = makeOverview({ images });
    const { problems } = toView(overview, ALL).parts;
    expect(problems.match(/find=big-/g)).toHaveLength(8);
    expect(problems).toContain('<a href="/?show=Waiting">2 more</a>');
    expect(problems).not.toContain('GB free');
  });

  it('is nothing where all is well', () => {
    expect(toView(makeOverview({ images: { a: PULLED } }), ALL).parts.problems).toBe('');
  });
});

describe('a selection', () => {
  const status = makeOverview({
    images: Object.fromEntries(
      Array.from({ length: 2000 }, (_none, index) => [
        `image-${String(index).padStart(4, '0')}`,
        index % 20 === 19 ? MISSING : PULLED,
      ]),
    ),
  }).status;
  const select = (query: string) => selectImages(status, toSelection(new URLSearchParams(query)));

  it('of 2,000 images is a hundred a page, those that failed first', () => {
    const { images, total, pages } = select('');
    expect([images.length, total, pages]).toEqual([100, 2000, 20]);
    expect(images.map(([, { phase }]) => phase)).toEqual(Array.from({ length: 100 }, () => 'Failed'));
    expect(select('page=2').images[0]).toEqual(['image-0000', PULLED]);
  });

  it('is by phase and by a part of the name or the reference, in any case', () => {
    expect(select('show=Failed').total).toBe(100);
    expect(select('find=IMAGE-0019').images.map(([name]) => name)).toEqual(['image-0019']);
    expect(select('find=Vision:7').total).toBe(100);
    expect(select('find=Vision&show=Pulled').total).toBe(0);
  });

  it.each(['page=0', 'page=-1', 'page=x', 'page=1e99', 'show=constructor', 'show=', 'find=', 'what=ever'])(
    'by %s is of all images, from the start',
    (query) => {
      expect(select(query)).toMatchObject({ total: 2000, page: 1 });
    },
  );

  it('of a page beyond the last is the last', () => {
    expect(select('page=999')).toMatchObject({ page: 20 });
  });

  it.each([1, 2, 3])('comes back from its own query, at page %i', (page) => {
    const selection = { phase: 'Failed', find: 'a&b=c "x"', page } as const;
    expect(toSelection(new URLSearchParams(formatSelection(selection)))).toEqual(selection);
  });
});

it('leads from page to page and phase to phase, and keeps what is looked for', () => {
  const images = Object.fromEntries(
    Array.from({ length: 250 }, (_none, index) => [`image-${index}`, MISSING]),
  );
  const toParts = (query: string) =>
    toView(makeOverview({ images }), toSelection(new URLSearchParams(query))).parts;
  const linksOf = (text: string) => Array.from(text.matchAll(/href="([^"]*)"/g), ([, url]) => url);
  expect(linksOf(toParts('find=image').pager)).toEqual(['/?find=image&#38;page=2#images']);
  expect(linksOf(toParts('find=image&page=2').pager)).toEqual([
    '/?find=image#images',
    '/?find=image&#38;page=3#images',
  ]);
  expect(linksOf(toParts('find=image&page=3').pager)).toEqual(['/?find=image&#38;page=2#images']);
  expect(linksOf(toParts('find=image&page=3').filters)[1]).toBe('/?show=Failed&#38;find=image');
  expect(toParts('show=Failed').filters.match(/aria-current="page"\s*>Failed/g)).toHaveLength(1);
});

it('says of an image how far it is, why it waits or failed, and when it is tried again', () => {
  const pulling: ImageStatus = {
    ...PULLED,
    phase: 'Pulling',
    percent: 40,
    downloadedBytes: 4e6,
    totalBytes: 1e7,
  };
  const images: Record<string, ImageStatus> = {
    failed: MISSING,
    once: { ...MISSING, attempts: 1 },
    pulling: { ...pulling, bytesPerSecond: 2e6 },
    unpacking: { ...pulling, percent: 99, downloadedBytes: 1e7 },
    waiting: { ...PULLED, phase: 'Waiting', reason: 'Paused', message: 'All pulls are paused.' },
    again: { ...PULLED, evictions: 2 },
  };
  const { rows } = toView(makeOverview({ images }), ALL);
  const toText = (name: string): string =>
    (rows.get(name) ?? '').replaceAll(/<[^>]*>/g, '').replaceAll(/\s+/g, ' ');
  expect(toText('failed')).toMatch(/manifest unknown Next try at .* UTC, failed 2 times/);
  expect(toText('once')).not.toContain('times');
  expect(toText('pulling')).toContain('40 % · 4.0 MB of 10.0 MB · 2.0 MB/s · 3 s left');
  expect(toText('unpacking')).toContain('99 % · 10.0 MB of 10.0 MB · unpacks');
  expect(toText('waiting')).toContain('Paused All pulls are paused.');
  expect(toText('again')).toContain('vanished and came again: 2×');
});

it('is healthy while its loop turns, and ready when the agent says so', () => {
  expect([toHealthAnswer(true).status, toHealthAnswer(false).status]).toEqual([200, 503]);
  const overview = makeOverview({ images: { a: PULLED } });
  const { status } = overview;
  expect(toReadyAnswer(overview).status).toBe(200);
  // Whether they are the current ones may still be asked.
  const asked = { ...status, summary: { ...status.summary, isReady: false } };
  expect(toReadyAnswer({ ...overview, status: asked }).status).toBe(503);
  expect(toReadyAnswer({ ...overview, isAlive: false }).status).toBe(503);
});

it('a page knows how often its stream beats, so that it notices silence', () => {
  expect(formatPage(makeOverview(), ALL, 'device')).toContain(` data-beat="${BEAT_SECONDS}"`);
});

it('a page holds nothing but what its policy allows: no style and no script of its own, nothing from elsewhere', () => {
  const text = formatPage(
    makeOverview({
      images: {
        a: MISSING,
        b: PULLED,
        c: {
          ...PULLED,
          phase: 'Pulling',
          percent: 40,
          downloadedBytes: 4,
          totalBytes: 10,
          bytesPerSecond: 1,
        },
      },
      registries: {
        plant: {
          address: '127.0.0.1:8000',
          login: 'Succeeded',
          credential: 'password2',
          checkedAtMs: NOW_MS,
        },
      },
    }),
    toSelection(new URLSearchParams('find="><script>alert(1)</script>')),
    '<device>',
  );
  expect(text).not.toMatch(/ style=| on\w+=|<style|javascript:|https?:\/\//);
  expect(text.match(/<script/g)).toHaveLength(1);
  expect(text).toContain('<script src="/page.js" defer');
  expect(Array.from(text.matchAll(/(?:src|href)="([^"]*)"/g), ([, url]) => url?.[0])).not.toContain(
    undefined,
  );
  for (const [, url] of text.matchAll(/(?:src|href)="([^"]*)"/g)) expect(url).toMatch(/^[/#](?!\/)/);
});

it.each([
  ['relay', true, 'images come through the relay in clear'],
  ['relay', false, 'images come through the relay<'],
  ['engine', false, 'images come by the engine<'],
] as const)('says how images of a registry come: %s, plain HTTP %s', (transport, isPlainHttp, words) => {
  const route = { transport, why: 'The relay is off: "x".', isPlainHttp };
  const overview = makeOverview({
    registries: { plant: { address: '127.0.0.1:8000', login: 'Anonymous', route } },
  });
  const text = formatPage(overview, toSelection(new URLSearchParams()), 'device');
  expect(text).toContain(words);
  expect(text).toContain('title="The relay is off: &#34;x&#34;."');
});

it.each<[string, Parameters<typeof makeOverview>[0]]>([
  ['none yet', {}],
  ['not known', { images: { a: PULLED } }],
  [formatMoment(NOW_MS).html, { images: { a: PULLED }, lastPulledMs: NOW_MS }],
])('of the last image that came it says: %s', (words, given) => {
  const { facts } = toView(makeOverview(given), ALL).parts;
  expect(facts.replaceAll(/\s+/g, ' ')).toContain(`<dt>Last image</dt> <dd>${words}</dd>`);
});

it('says how many images are not listed for their name, where they would be', () => {
  const toPager = (query: string, images = {}): string =>
    toView(
      makeOverview({ images, status: { misnamed: 2 } }),
      toSelection(new URLSearchParams(query)),
    ).parts.pager.replaceAll(/<[^>]*>/g, '');
  const words = 'Not listed, because of the name: 2 images (see above).';
  expect(toPager('')).toBe(words);
  expect(toPager('show=Failed', { a: PULLED })).toBe(words);
  expect(toPager('show=Pulled', { a: MISSING })).toBe('There is no such image.');
  expect(toPager('find=nothing', { a: PULLED })).toBe('There is no such image.');
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`image-${i}`, PULLED]));
  expect(toPager('', many)).toMatch(/Page 1 of 2, 101 images\s+Next\s+Not listed/);
  expect(toPager('show=Pulled', { a: PULLED })).toBe('');
});

it('tells apart what a login said, when it was tried and how images come', () => {
  const plant = {
    address: '127.0.0.1:8000',
    login: 'Failed',
    message: 'refused',
    checkedAtMs: NOW_MS,
  } as const;
  const route = { transport: 'engine', why: 'why', isPlainHttp: false } as const;
  const toDetails = (registry: object): string | undefined => {
    const overview = makeOverview({ registries: { plant: { ...plant, ...registry } } });
    const text = formatPage(overview, toSelection(new URLSearchParams()), 'device');
    const row = text.slice(text.indexOf('id="registry-plant"'));
    return row
      .slice(0, row.indexOf('</tr>'))
      .replaceAll(/<[^>]*>/g, '')
      .replaceAll(/\s+/g, ' ')
      .trim();
  };
  expect(toDetails({ route })).toMatch(
    /refused &middot; asked \d{4}-.* UTC &middot; images come by the engine$/,
  );
  expect(toDetails({ message: undefined, credential: 'password2', login: 'Succeeded' })).toMatch(
    /with password2 &middot; asked \d{4}-.* UTC$/,
  );
});
