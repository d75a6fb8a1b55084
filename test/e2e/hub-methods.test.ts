import { describe, expect, test } from 'vitest';
import type { MethodHandlers } from '#agent/ports';
import { startHubStage } from '#test/e2e/hub-stage';
import type { HubStage } from '#test/e2e/hub-stage';
import { WAIT } from '#test/e2e/sdk-client';

/** A stage whose methods can be called. */
async function startWith(
  methods: MethodHandlers,
  options: Parameters<typeof startHubStage>[0] = {},
): Promise<HubStage> {
  const stage = await startHubStage({ ...options, methods });
  await expect.poll(() => stage.edge.subscriptions.has('$iothub/methods/POST/#'), WAIT).toBe(true);
  return stage;
}

const echo: MethodHandlers = {
  Echo: async (payload) => ({ status: 200, payload: { got: payload ?? 'nothing' } }),
};

/** How often the hub sent an answer, or tried to. */
const countAnswers = ({ lines }: HubStage): number =>
  lines.filter((line) => /method answered|did not go out/.test(line)).length;

describe('a method is answered exactly once', () => {
  const huge = 'ü'.repeat(60_000);
  test.each([
    ['an object', { a: [1, null, { b: 'ü' }] }, { a: [1, null, { b: 'ü' }] }],
    ['null', null, 'nothing'],
    ['a text', 'text', 'text'],
    ['zero', 0, 0],
    ['false', false, false],
    ['an array', [], []],
    ['120 kB', { huge }, { huge }],
    ['keys that mean something to JavaScript', JSON.parse('{"__proto__":1,"a":2}'), { a: 2 }],
  ])('with %s as payload', async (_, payload, got) => {
    const stage = await startWith(echo);
    const answer = await stage.edge.invokeMethod('Echo', payload);
    expect(answer).toMatchObject({ status: 200, payload: { got } });
    expect(countAnswers(stage)).toBe(1);
  });

  test('without any payload', async () => {
    const stage = await startWith(echo);
    const raw = Buffer.alloc(0);
    expect(await stage.edge.invokeMethod('Echo', undefined, { raw })).toEqual({
      status: 200,
      payload: { got: 'nothing' },
    });
    expect(countAnswers(stage)).toBe(1);
  });

  test.each(['{', 'text', '\u0000', '{"a":1}}', '\uFEFF{}'])('with no JSON as payload: %j', async (text) => {
    const stage = await startWith(echo);
    const answer = await stage.edge.invokeMethod('Echo', undefined, { raw: Buffer.from(text) });
    expect(answer.status).toBe(400);
    expect(await stage.edge.invokeMethod('Echo', 'next')).toMatchObject({ payload: { got: 'next' } });
    expect(countAnswers(stage)).toBe(1);
  });

  test('with a status of its own', async () => {
    const { edge } = await startWith({ Refuse: async () => ({ status: 409, payload: { reason: 'Busy' } }) });
    expect(await edge.invokeMethod('Refuse')).toEqual({ status: 409, payload: { reason: 'Busy' } });
  });

  test.each([
    ['rejects', () => Promise.reject(new Error('by mistake'))],
    [
      'throws at once',
      () => {
        throw new Error('by mistake');
      },
    ],
    ['rejects with no error', () => Promise.reject('by mistake' as unknown as Error)],
  ])('with 500 where the handler %s', async (_, handler) => {
    const stage = await startWith({ Fail: handler });
    expect(await stage.edge.invokeMethod('Fail')).toEqual({
      status: 500,
      payload: { reason: 'Unknown', message: 'by mistake' },
    });
    expect(countAnswers(stage)).toBe(1);
  });

  test('with 500 where the handler is late, and its own answer is dropped', async () => {
    let answer: (value: { status: number; payload: object }) => void = () => undefined;
    const late = new Promise<{ status: number; payload: object }>((resolve) => (answer = resolve));
    const stage = await startWith({ Late: () => late, ...echo }, { limits: { methodMs: 200 } });
    expect(await stage.edge.invokeMethod('Late')).toMatchObject({
      status: 500,
      payload: { message: 'Late: no answer within 0.2 s' },
    });
    answer({ status: 200, payload: {} });
    await stage.edge.invokeMethod('Echo');
    expect(countAnswers(stage)).toBe(2);
  });

  test('with its own answer, however many are under way', async () => {
    const stage = await startWith(echo);
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    const answers = await Promise.all(numbers.map((number) => stage.edge.invokeMethod('Echo', number)));
    expect(answers.map(({ payload }) => payload)).toEqual(numbers.map((got) => ({ got })));
    expect(countAnswers(stage)).toBe(100);
  });
});

test('a method that is not known gets no answer, and neither does one in other letters', async () => {
  const { edge } = await startWith(echo);
  for (const name of ['Unknown', 'echo', 'toString', '__proto__']) {
    expect(await edge.invokeMethod(name, {}, { timeoutMs: 100 })).toMatchObject({ status: 504 });
  }
});

test('an answer that finds no connection is dropped, and later calls are answered', async () => {
  let answer: (value: { status: number; payload: object }) => void = () => undefined;
  const slow = new Promise<{ status: number; payload: object }>((resolve) => (answer = resolve));
  const stage = await startWith({ Slow: () => slow, ...echo });
  const { edge, hub } = stage;
  const call = edge.invokeMethod('Slow', {}, { timeoutMs: 1000 });
  edge.cutConnections();
  await expect.poll(() => hub.isConnected, WAIT).toBe(false);
  answer({ status: 200, payload: {} });
  expect(await call).toMatchObject({ status: 504 });
  await expect.poll(() => edge.invokeMethod('Echo', 1), WAIT).toEqual({ status: 200, payload: { got: 1 } });
});

test('methods are there again after edgeHub was created anew', async () => {
  const { edge } = await startWith(echo);
  await edge.stopHub();
  await edge.startHub({ sessions: 'lost' });
  await expect.poll(() => edge.invokeMethod('Echo', 1), WAIT).toEqual({ status: 200, payload: { got: 1 } });
});
