import { expect, test } from 'vitest';
import { toModuleTopic } from '#lab/edge/topics';

test.each([
  ['$iothub/twin/GET/?$rid=a-1', { kind: 'get-twin', requestId: 'a-1' }],
  ['$iothub/twin/PATCH/properties/reported/?$rid=a-1', { kind: 'report', requestId: 'a-1' }],
  ['$iothub/methods/res/202/?$rid=a-1', { kind: 'method-answer', requestId: 'a-1', status: 202 }],
  ['$iothub/methods/res/-1/?$rid=a-1', { kind: 'unknown' }],
  ['$iothub/twin/GET/', { kind: 'unknown' }],
  [
    'devices/d/modules/m/messages/events/%24.on=out%2F1&%24.ct=application%2Fjson&k=v%20%2Bv/',
    {
      kind: 'telemetry',
      deviceId: 'd',
      moduleId: 'm',
      output: 'out/1',
      properties: { '$.ct': 'application/json', k: 'v +v' },
    },
  ],
  [
    'devices/d/modules/m/messages/events/',
    { kind: 'telemetry', deviceId: 'd', moduleId: 'm', output: '', properties: {} },
  ],
])('%s is understood', (topic, expected) => {
  expect(toModuleTopic(topic)).toEqual(expected);
});
