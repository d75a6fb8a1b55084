import device from 'azure-iot-device';
import type { OutputMessage } from '#agent/ports';

/** A message as azure-iot-device sends it: JSON that says so, or IoT Hub's routes could not look into it. */
export function toMessage({ id, body, properties }: OutputMessage): device.Message {
  const message = new device.Message(JSON.stringify(body));
  message.messageId = id;
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  for (const [key, value] of Object.entries(properties)) message.properties.add(key, value);
  return message;
}
