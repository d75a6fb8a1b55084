import { EventEmitter } from 'node:events';
import common from 'azure-iot-common';
import deviceMqtt from 'azure-iot-device-mqtt';
import mqttPacket from 'mqtt-packet';
import type { TwinProperties } from 'azure-iot-device';

const { Mqtt } = deviceMqtt;

// Built on the first packet, this cache of 65,536 buffers would cost 14 MB for numbers that are hardly ever written.
mqttPacket.writeToStream.cacheNumbers = false;

// Another one keeps a buffer of up to four bytes for each length of a packet that was ever written. Node.js cuts small buffers
// out of slabs of 64 KB, so that each of those could hold a slab, for ever.
Buffer.poolSize = 0;

type MethodCallback = Parameters<InstanceType<typeof Mqtt>['onDeviceMethod']>[1];

/** A failure or a twin; the SDK's callbacks take both at once. */
type TwinCallback = (error?: Error, properties?: TwinProperties) => void;

type ReportCallback = (error?: Error) => void;

/** edgeHub has the report and does not take it: it stays as it was reported before. */
export class ReportRefused extends Error {
  override readonly name = 'ReportRefused';
}

const TWIN_ANSWER = /^\$iothub\/twin\/res\/(\d+)\//;

/**
 * The SDK's MQTT transport without four of its surprises (azure-iot-device 1.18.4): an empty method payload was refused
 * before any handler saw it, a twin answer without body ended the process, a refused report was a success (edgeHub's
 * refusals have no body), and a fetched twin could be had only from a cache that patches garble.
 */
export class GuardedMqtt extends Mqtt {
  /** Of the twin answer that is being read, else 0: the SDK calls back while it reads one, and drops its status. */
  #status = 0;

  constructor(...options: ConstructorParameters<typeof Mqtt>) {
    super(...options);
    const mqtt: unknown = Reflect.get(this, '_mqtt');
    if (!(mqtt instanceof EventEmitter)) return;
    mqtt.prependListener('message', (topic: unknown) => {
      this.#status = Number(TWIN_ANSWER.exec(String(topic))?.[1] ?? 0);
      queueMicrotask(() => {
        this.#status = 0;
      });
    });
  }

  override onDeviceMethod(methodName: string, callback: MethodCallback): void {
    super.onDeviceMethod(methodName, (message, response) => {
      const isEmpty = message.body !== undefined && message.body.length === 0;
      callback(isEmpty ? Object.assign(message, { body: undefined }) : message, response);
    });
  }

  override getTwin(callback: TwinCallback): void {
    super.getTwin((error?: Error, properties?: TwinProperties) => {
      if (error !== undefined && error !== null) return callback(error);
      if (!isWhole(properties)) {
        return callback(
          new common.errors.InternalServerError('the twin came without desired and reported properties'),
        );
      }
      this.onTwin(JSON.stringify(properties));
      callback(undefined, properties);
    });
  }

  override updateTwinReportedProperties(patch: object, callback: ReportCallback): void {
    super.updateTwinReportedProperties(patch, (error?: Error) => {
      const status = this.#status;
      if (status >= 300)
        callback(new ReportRefused(`the report was refused with ${status}${toReason(error)}`));
      else callback(error);
    });
  }

  /** Gets every whole twin as it came, before the SDK merges patches into it, arrays by index. */
  protected onTwin(_json: string): void {}
}

const toReason = (error: Error | null | undefined): string => (error?.message ? `: ${error.message}` : '');

const isWhole = (properties: TwinProperties | undefined): properties is TwinProperties =>
  isObject(properties) && isObject(properties.desired) && isObject(properties.reported);

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
