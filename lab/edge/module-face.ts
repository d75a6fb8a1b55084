import { setTimeout as sleep } from 'node:timers/promises';
import type { Faults } from './faults.ts';
import type { HubListener } from './hub.ts';
import type { MethodCalls } from './methods.ts';
import { formatTwinReplyTopic, toModuleTopic } from './topics.ts';
import { findReportFault, isTwinObject } from './twin-rules.ts';
import type { Twin } from './twin.ts';

/** A patch of the reported properties that came. */
export interface Report {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Undefined where it was no JSON. */
  readonly patch: unknown;
  readonly jsonBytes: number;
  /** The answer: 204 where edgeHub took it. */
  readonly status: number;
}

/** A message that a module sent to an output. */
export interface Telemetry {
  readonly output: string;
  /** Application properties, and system properties with `$.` before their names. */
  readonly properties: Readonly<Record<string, string>>;
  /** Parsed, where it is JSON; else text. */
  readonly body: unknown;
}

/** What the module has been seen doing; grows. */
export interface Observed {
  readonly reports: Report[];
  readonly telemetry: Telemetry[];
  twinGets: number;
}

/** What {@link createModuleFace} takes. */
export interface ModuleFaceOptions {
  readonly twin: Twin;
  readonly faults: Readonly<Faults>;
  readonly methods: MethodCalls;
  readonly observed: Observed;
  readonly publish: HubListener['publish'];
  /** A reported patch was stored. */
  readonly passUp: () => void;
  /** Ends the delays. */
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** Carries out what a module publishes. */
export function createModuleFace(options: ModuleFaceOptions): (topic: string, body: Buffer) => void {
  const { twin, faults, methods, observed, publish, log } = options;

  const reply = (status: number, requestId: string, body = ''): void => {
    if (!faults.dropTwinReplies) publish(formatTwinReplyTopic(status, requestId), body);
  };

  async function answerGet(requestId: string): Promise<void> {
    observed.twinGets += 1;
    if (faults.twinGetDelayMs > 0) await sleep(faults.twinGetDelayMs, undefined, { signal: options.signal });
    const status = faults.twinGetStatus ?? 200;
    log(`edgeHub: twin get ${observed.twinGets} → ${status}`);
    if (faults.twinGetStatus !== undefined) return reply(status, requestId);
    const document = faults.emptyTwin ? { desired: {}, reported: {} } : twin.fetch(faults.upstreamAway);
    reply(status, requestId, faults.twinGetBody ?? JSON.stringify(document));
  }

  function report(requestId: string, body: Buffer): void {
    const patch = parseJson(body);
    const fault = findReportFault(patch, body.length);
    const forced = faults.reportStatus ?? (faults.reportErrorBody && 400);
    const status = forced ?? (fault === undefined ? 204 : 400);
    observed.reports.push({ atMs: Date.now(), patch, jsonBytes: body.length, status });
    log(`edgeHub: report of ${body.length} bytes → ${status}${fault === undefined ? '' : ` (${fault})`}`);
    if (status === 204 && isTwinObject(patch)) {
      twin.report(patch);
      options.passUp();
      if (twin.isStuck) log('IoT Hub: refuses the reported properties, which stand still');
    }
    reply(status, requestId, faults.reportErrorBody && JSON.stringify(faults.reportErrorBody));
  }

  return (topic, body) => {
    const message = toModuleTopic(topic);
    switch (message.kind) {
      case 'get-twin':
        // The delay alone can fail, when everything ends.
        answerGet(message.requestId).catch(() => {});
        break;
      case 'report':
        report(message.requestId, body);
        break;
      case 'method-answer':
        methods.answer(message.requestId, message.status, body);
        break;
      case 'telemetry':
        log(`edgeHub: ${body.length} bytes to output ${message.output}`);
        observed.telemetry.push({
          output: message.output,
          properties: message.properties,
          body: parseJson(body) ?? body.toString(),
        });
        break;
      case 'unknown':
        log('edgeHub: a message on a topic it does not know');
        break;
    }
  };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
