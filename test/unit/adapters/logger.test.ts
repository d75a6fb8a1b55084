import { describe, expect, it } from 'vitest';
import { createRepeatFilter } from '#adapters/log-repeats';
import { createLogger, formatLine } from '#adapters/logger';
import type { Logger } from '#adapters/logger';
import type { LogLevel } from '#core/desired-state';
import { Secret } from '#core/secret';
import { EDGE_AGENT } from './edge-agent-log.ts';

/** A log and the lines that it wrote, each of which must be one whole line. */
function startLog(level: LogLevel = 'debug'): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const log = createLogger(level, (line) => {
    expect(line).toMatch(/^[^\n\r]*\n$/);
    lines.push(line.trimEnd());
  });
  return { log, lines };
}

const parse = (line = ''): Record<string, string | undefined> => EDGE_AGENT.exec(line)?.groups ?? {};

describe('a line, as edgeAgent reads it', () => {
  it.each([
    ['trace', undefined],
    ['debug', '7 DBG'],
    ['info', '6 INF'],
    ['warn', '4 WRN'],
    ['error', '3 ERR'],
    ['fatal', '0 FTL'],
  ] as const)('of the level %s has the severity and tag %s', (level, expected) => {
    const { log, lines } = startLog();
    log[level]({ image: 'camera' }, 'image pulled');
    if (expected === undefined) {
      expect(lines).toEqual([]);
      return;
    }
    const [severity, tag] = expected.split(' ');
    const { logLevel, logtext } = parse(lines[0]);
    expect(logLevel).toBe(severity);
    expect(logtext).toBe(`[${tag}] - image pulled {"image":"camera"}`);
  });

  it('has the time in UTC, with the offset', () => {
    const { log, lines } = startLog();
    const beforeMs = Date.now();
    log.info({}, 'text');
    const { timestamp = '' } = parse(lines[0]);
    expect(timestamp).toMatch(/ \+00:00$/);
    const atMs = Date.parse(`${timestamp.slice(0, 23).replace(' ', 'T')}Z`);
    expect(atMs).toBeGreaterThanOrEqual(beforeMs);
    expect(atMs).toBeLessThanOrEqual(Date.now());
  });

  it('keeps its form at the turn of the year', () => {
    const record = { level: 30, msg: 'text' };
    expect(formatLine(record, new Date(Date.UTC(2026, 11, 31, 23, 59, 59, 7)))).toBe(
      '<6> 2026-12-31 23:59:59.007 +00:00 [INF] - text\n',
    );
  });

  it('is read the same behind the time that the engine puts before it', () => {
    const { log, lines } = startLog();
    log.warn({}, 'text');
    const line = `2026-11-24T12:00:00.123456789Z ${lines[0]}`;
    expect(parse(line)).toMatchObject({ logLevel: '4', logtext: '[WRN] - text' });
  });

  it.each([
    ['in the message', (log: Logger) => log.info({}, 'one\ntwo\r\nthree\u0000'), '[INF] - one two three'],
    [
      'in a field',
      (log: Logger) => log.info({ error: 'one\ntwo\r\nthree' }, 'text'),
      '[INF] - text {"error":"one\\ntwo\\r\\nthree"}',
    ],
  ])('is one line with line breaks %s', (_, write, logtext) => {
    const { log, lines } = startLog();
    write(log);
    expect(lines).toHaveLength(1);
    expect(parse(lines[0])['logtext']).toBe(logtext);
  });

  it('holds nothing that steers a terminal', () => {
    const { log, lines } = startLog();
    log.warn({ error: 'one\u009b31m\u007ftwo\u001b[0m' }, 'one\u009btwo');
    expect(parse(lines[0])['logtext']).toBe('[WRN] - one two {"error":"one\\u009b31m\\u007ftwo\\u001b[0m"}');
  });

  it('is one line with an error and its stack', () => {
    const { log, lines } = startLog();
    log.error({ err: new TypeError('one\ntwo', { cause: new Error('why') }) }, 'failed');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('[ERR] - failed {"err":{"type":"TypeError","message":"one\\ntwo');
    expect(lines[0]).toContain('logger.test.ts');
  });

  it('without fields or without a message has no more than the other', () => {
    const { log, lines } = startLog();
    log.info('text');
    log.info({ a: 1 });
    expect(lines.map((line) => parse(line)['logtext'])).toEqual(['[INF] - text', '[INF] -  {"a":1}']);
  });

  it.each([
    [
      'a circle',
      () =>
        Object.assign(
          {},
          {
            get self() {
              return this as unknown;
            },
          },
        ),
    ],
    ['a huge number', () => ({ number: 2n ** 70n })],
  ])('comes out whatever the fields hold: %s', (_, toFields) => {
    const { log, lines } = startLog();
    log.warn(toFields(), 'text');
    expect(lines).toHaveLength(1);
    expect(parse(lines[0])['logtext']).toContain('text');
    expect(parse(lines[0])['logLevel']).toBe('4');
  });
});

it('a secret prints as [secret], wherever it stands', () => {
  const { log, lines } = startLog();
  const password = new Secret('hunter2');
  const error = Object.assign(new Error(`refused ${String(password)}`), { password });
  log.info(
    { password, deep: { list: [{ password }] }, map: Object.fromEntries([['p', password]]) },
    String(password),
  );
  log.error({ err: error }, 'failed');
  log.child({ password }).warn({}, 'child');
  expect(lines).toHaveLength(3);
  for (const line of lines) {
    expect(line).toContain('[secret]');
    expect(line).not.toContain('hunter2');
  }
});

it('quotes nothing of a text that was no JSON: it may hold a password', () => {
  const { log, lines } = startLog();
  try {
    JSON.parse('{"password":secret-word}');
  } catch (error) {
    expect(String(error)).toContain('secret-');
    log.error({ err: error }, 'unexpected error');
    log.child({ component: 'hub' }).error({ err: error }, 'unexpected error');
  }
  expect(lines).toHaveLength(2);
  expect(lines.join()).not.toContain('secret');
  expect(lines.join()).toContain('SyntaxError');
});

describe('an unexpected error that comes again', () => {
  const fail = (log: Logger, text = 'broken'): void => log.error({ err: new Error(text) }, 'failed');

  it('is one line in ten minutes, beside others and beside what is expected', () => {
    const { log, lines } = startLog('info');
    for (let time = 0; time < 100; time += 1) fail(log);
    fail(log, 'otherwise');
    log.warn({ reason: 'NotFound' }, 'failed');
    log.warn({ reason: 'NotFound' }, 'failed');
    expect(lines).toHaveLength(4);
  });

  it('is written each time at the level debug', () => {
    const { log, lines } = startLog('debug');
    fail(log);
    fail(log);
    expect(lines).toHaveLength(2);
  });

  it('tells after ten minutes how often it came, and the filter keeps no more than fifty', () => {
    const pass = createRepeatFilter();
    const toRecord = (message: string) => ({ level: 50, msg: 'failed', err: { type: 'Error', message } });
    const minutes = [0, 1, 9.9, 10, 10.1].map((minute) => pass(toRecord('a'), minute * 60_000));
    expect(minutes.map((record) => record?.['repeated'])).toEqual([
      undefined,
      undefined,
      undefined,
      2,
      undefined,
    ]);
    expect(minutes.map((record) => record !== undefined)).toEqual([true, false, false, true, false]);
    for (let index = 0; index < 50; index += 1) pass(toRecord(String(index)), 700_000);
    expect(pass(toRecord('a'), 700_000)).toBeDefined();
  });
});

describe('the level', () => {
  const writeAll = (log: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>): void => {
    log.debug({}, 'debug');
    log.info({}, 'info');
    log.warn({}, 'warn');
    log.error({}, 'error');
  };
  const toTags = (lines: string[]): string[] =>
    lines.splice(0).map((line) => /\[(\w+)\]/.exec(line)?.[1] ?? '');

  it.each([
    ['debug', ['DBG', 'INF', 'WRN', 'ERR']],
    ['info', ['INF', 'WRN', 'ERR']],
    ['warn', ['WRN', 'ERR']],
    ['error', ['ERR']],
  ] as const)('%s lets through %j', (level, tags) => {
    const { log, lines } = startLog(level);
    writeAll(log);
    expect(toTags(lines)).toEqual(tags);
  });

  it('changes while the program runs, for children made before too, and goes back', () => {
    const { log, lines } = startLog('info');
    const child = log.child({ component: 'hub' });
    log.setLevel('debug');
    writeAll(log);
    writeAll(child);
    expect(toTags(lines)).toEqual(['DBG', 'INF', 'WRN', 'ERR', 'DBG', 'INF', 'WRN', 'ERR']);
    log.setLevel('error');
    writeAll(log);
    writeAll(child);
    expect(toTags(lines)).toEqual(['ERR', 'ERR']);
    log.setLevel(undefined);
    writeAll(log);
    writeAll(child);
    expect(toTags(lines)).toEqual(['INF', 'WRN', 'ERR', 'INF', 'WRN', 'ERR']);
  });
});
