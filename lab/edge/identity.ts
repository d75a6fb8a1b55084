import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** A module's identity in IoT Hub, with the key that never leaves the device's security daemon. */
export interface ModuleIdentity {
  readonly hubHost: string;
  readonly deviceId: string;
  readonly moduleId: string;
  readonly generationId: string;
  readonly key: Buffer;
}

/** What an MQTT CONNECT says about its sender. */
export interface Login {
  readonly clientId: string;
  readonly username: string;
  readonly password: string;
}

/** An identity with a new random key and generation. */
export function createIdentity(names: {
  hubHost: string;
  deviceId: string;
  moduleId: string;
}): ModuleIdentity {
  return { ...names, generationId: randomBytes(9).toString('hex'), key: randomBytes(32) };
}

/** HMAC-SHA256 with the identity's key. */
export function sign(identity: ModuleIdentity, data: Buffer | string): Buffer {
  return createHmac('sha256', identity.key).update(data).digest();
}

/**
 * Why edgeHub would not let this client in, without any of its password; undefined where it would.
 * @see https://github.com/Azure/iotedge/blob/94e4593a8e/edge-hub/core/src/Microsoft.Azure.Devices.Edge.Hub.Mqtt/MqttUsernameParser.cs
 */
export function findLoginFault(identity: ModuleIdentity, login: Login, nowMs: number): string | undefined {
  const { hubHost, deviceId, moduleId } = identity;
  const [host, device, module, query = ''] = login.username.split('/');
  if (host !== hubHost || device !== deviceId || module !== moduleId) {
    return 'the user name is not host/device/module';
  }
  if (!new URLSearchParams(query.replace(/^\?/, '')).has('api-version')) {
    return 'the user name has no api-version';
  }
  if (login.clientId !== `${deviceId}/${moduleId}`) return 'the client id is not device/module';
  return findTokenFault(identity, login.password, nowMs);
}

/** What the client says it is made of: the SDK's words, and the module's own after them. */
export function toClientType({ username }: Login): string {
  return new URLSearchParams(username.split('?')[1]).get('DeviceClientType') ?? 'of no type';
}

function findTokenFault(identity: ModuleIdentity, token: string, nowMs: number): string | undefined {
  const parts = /^SharedAccessSignature sr=([^&]+)&sig=([^&]+)&se=(\d+)$/.exec(token);
  const [, resource = '', signature = '', expiry = ''] = parts ?? [];
  if (parts === null) return 'the password is no shared access signature';
  const expected = `${identity.hubHost}/devices/${identity.deviceId}/modules/${identity.moduleId}`;
  if (resource !== encodeURIComponent(expected)) return 'the token is for another resource';
  const given = Buffer.from(decodeURIComponent(signature), 'base64');
  const right = sign(identity, `${resource}\n${expiry}`);
  if (given.length !== right.length || !timingSafeEqual(given, right)) {
    return 'the token is not signed by the key';
  }
  return Number(expiry) * 1000 > nowMs ? undefined : 'the token has expired';
}
