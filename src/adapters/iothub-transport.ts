import common from 'azure-iot-common';
import deviceMqtt from 'azure-iot-device-mqtt';
import mqttPacket from 'mqtt-packet';
import type { TwinProperties } from 'azure-iot-device';

const { Mqtt } = deviceMqtt;

// Built on the first packet, this cache of 65,536 buffers would cost 14 MB for numbers that are hardly ever written.
mqttPacket.writeToStream.cacheNumbers = false;

type MethodCallback = Parameters<InstanceType<typeof Mqtt>['onDeviceMethod']>[1];

/** A failure or a twin; the SDK's callbacks take both at once. */
type TwinCallback = (error?: Error, properties?: TwinProperties) => void;

/**
 * The SDK's MQTT transport without three of its surprises (azure-iot-device 1.18.4): an empty method payload was refused
 * before any handler saw it, a twin answer without body ended the process, and a fetched twin could be had only from a
 * cache that patches garble.
 */
export class GuardedMqtt extends Mqtt {
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

  /** Gets every whole twin as it came, before the SDK merges patches into it, arrays by index. */
  protected onTwin(_json: string): void {}
}

const isWhole = (properties: TwinProperties | undefined): properties is TwinProperties =>
  isObject(properties) && isObject(properties.desired) && isObject(properties.reported);

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
