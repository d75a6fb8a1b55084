import { randomBytes } from 'node:crypto';
import type { Registry } from '../registry/registry.ts';

/** One of the two passwords of a client token. */
export type PasswordNumber = 1 | 2;

/** The device's login at the registry on site: a client token with two passwords, either of which can be rotated. */
export interface DeviceLogin {
  readonly username: string;
  password(which: PasswordNumber): string;
  /** The entry for `registryCredentials`, with the passwords that are good now. */
  credentials(): Readonly<Record<string, string>>;
  /** The registry forgets a password and makes a new one. The twin is not told. */
  rotate(which: PasswordNumber): void;
  /** Every password that the token ever had, by the label it is shown as: `<password1>`, `<old password1>`… */
  readonly labels: ReadonlyMap<string, string>;
}

const USERNAME = 'device-token';
const SCOPE_MAP = 'device';

/** Makes the client token. It may read `hello-world` and everything below `acme/`. */
export function issueDeviceLogin(registry: Registry): DeviceLogin {
  const issued: Record<PasswordNumber, string[]> = { 1: [createPassword()], 2: [createPassword()] };
  const password = (which: PasswordNumber): string => issued[which].at(-1) ?? '';
  const publish = (): void => {
    registry.tokens.set(USERNAME, {
      status: 'enabled',
      scopeMap: SCOPE_MAP,
      passwords: { password1: { value: password(1) }, password2: { value: password(2) } },
    });
  };
  registry.scopeMaps.set(SCOPE_MAP, [
    'repositories/hello-world/content/read',
    'repositories/acme/*/content/read',
  ]);
  publish();

  return {
    username: USERNAME,
    password,
    credentials: () => ({
      address: registry.address,
      username: USERNAME,
      password: password(1),
      password2: password(2),
    }),
    rotate(which) {
      issued[which].push(createPassword());
      publish();
    },
    get labels() {
      const pairs = ([1, 2] as const).flatMap((which) =>
        issued[which].toReversed().map((value, age) => [toLabel(which, age), value] as const),
      );
      return new Map(pairs);
    },
  };
}

const createPassword = (): string => randomBytes(18).toString('base64url');

function toLabel(which: PasswordNumber, age: number): string {
  return age === 0 ? `<password${which}>` : `<old password${which}${age === 1 ? '' : `, ${age} ago`}>`;
}
