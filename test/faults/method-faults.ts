import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { MethodResult } from '#lab/edge';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';

const group = 'edgeHub and workload API';
const METHODS = ['ping', 'GetStatus', 'PullImages', 'GetTaskStatus', 'CheckRegistry', 'PlanImages'];

/** Payloads that a careless caller may send. */
const ODD_PAYLOADS: readonly string[] = [
  '',
  'null',
  'not JSON',
  '{"images":',
  '"text"',
  '42',
  'true',
  '[]',
  '{"images":"camera"}',
  '{"images":[42]}',
  '{"images":[null]}',
  '{"images":["no-such-image"]}',
  '{"schemaVersion":"9.0"}',
  '{"schemaVersion":{}}',
  '{"__proto__":{"images":["hello"]}}',
  '{"correlationId":42}',
  '{"after":{}}',
  `{"images":[${'"a",'.repeat(30_000)}"a"]}`,
  `{"images":["${'x'.repeat(125_000)}"]}`,
  `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  '\u0000\u0001\u0002',
];

async function callOften(stage: Stage): Promise<string> {
  const untilMs = performance.now() + (stage.isLong ? 60_000 : 10_000);
  const calls: Promise<MethodResult>[] = [];
  while (performance.now() < untilMs) {
    calls.push(stage.call(METHODS[calls.length % METHODS.length] ?? 'ping', {}));
    await sleep(50);
  }
  const statuses = (await Promise.all(calls)).map(({ status }) => status);
  // GetTaskStatus needs its correlationId, and PlanImages its images.
  expect(new Set(statuses)).toEqual(new Set([200, 202, 400]));
  return `${calls.length} calls, ${statuses.length} answers`;
}

async function callOddly(stage: Stage): Promise<string> {
  let answers = 0;
  for (const name of METHODS) {
    for (const payload of ODD_PAYLOADS) {
      const { status } = await stage.call(name, undefined, { raw: Buffer.from(payload) });
      expect([200, 202, 400, 404], `${name} with ${payload.slice(0, 40)}`).toContain(status);
      answers += 1;
    }
  }
  return `${answers} calls, ${answers} answers`;
}

/** What can come as a direct method. */
export const methodFaults: readonly Fault[] = [
  {
    group,
    name: 'a method is called every 50 ms',
    inject: () => undefined,
    whileItLasts: callOften,
    heal: () => undefined,
  },
  {
    group,
    name: 'method payloads are null, empty, not JSON, huge, or of a wrong type',
    inject: () => undefined,
    whileItLasts: callOddly,
    heal: () => undefined,
  },
];
