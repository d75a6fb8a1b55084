/** What a module subscribes to. */
export const SUBSCRIPTIONS = {
  twinReplies: '$iothub/twin/res/#',
  desired: '$iothub/twin/PATCH/properties/desired/#',
  methods: '$iothub/methods/POST/#',
} as const;

/** What a module publishes, as its topic tells. */
export type ModuleTopic =
  | { readonly kind: 'get-twin'; readonly requestId: string }
  | { readonly kind: 'report'; readonly requestId: string }
  | { readonly kind: 'method-answer'; readonly requestId: string; readonly status: number }
  | {
      readonly kind: 'telemetry';
      readonly deviceId: string;
      readonly moduleId: string;
      readonly output: string;
      /** Without the output's name; system properties begin with `$.`. */
      readonly properties: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'unknown' };

const REQUEST =
  /^\$iothub\/(twin\/GET|twin\/PATCH\/properties\/reported|methods\/res\/(\d+))\/\?\$rid=([^&]+)/;
const TELEMETRY = /^devices\/([^/]+)\/modules\/([^/]+)\/messages\/events\/(.*?)\/?$/;

/**
 * Total: anything else is `unknown`.
 * @see https://github.com/Azure/iotedge/blob/94e4593a8e/doc/edgehub-api.md
 */
export function toModuleTopic(topic: string): ModuleTopic {
  const request = REQUEST.exec(topic);
  if (request !== null) {
    const [, path, status, requestId = ''] = request;
    if (path === 'twin/GET') return { kind: 'get-twin', requestId };
    if (status === undefined) return { kind: 'report', requestId };
    return { kind: 'method-answer', requestId, status: Number(status) };
  }
  const telemetry = TELEMETRY.exec(topic);
  if (telemetry === null) return { kind: 'unknown' };
  const [, deviceId = '', moduleId = '', query = ''] = telemetry;
  const { '$.on': output = '', ...properties } = Object.fromEntries(new URLSearchParams(query));
  return { kind: 'telemetry', deviceId, moduleId, output, properties };
}

/** Where the answer to a twin request goes. */
export function formatTwinReplyTopic(status: number, requestId: string): string {
  return `$iothub/twin/res/${status}/?$rid=${requestId}`;
}

/** Where a desired change goes. */
export function formatDesiredTopic(version: number): string {
  return `$iothub/twin/PATCH/properties/desired/?$version=${version}`;
}

/** Where the call of a direct method goes. */
export function formatMethodTopic(name: string, requestId: string): string {
  return `$iothub/methods/POST/${name}/?$rid=${requestId}`;
}
