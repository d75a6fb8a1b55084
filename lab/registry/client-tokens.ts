/** One of a client token's two passwords. */
export interface ClientPassword {
  readonly value: string;
  /** Unix time; never expires without it. */
  readonly expiresAtMs?: number;
}

/** A client token: a user name with two passwords, so that one can be renewed while the other is in use. */
export interface ClientToken {
  status: 'enabled' | 'disabled';
  passwords: { password1?: ClientPassword; password2?: ClientPassword };
  /** The name of a scope map; a name that does not exist allows nothing. */
  scopeMap: string;
}

/** A user name with a password, as in an Authorization header of type Basic. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** Whether a login is good, with the registry's words when it is not. */
export type LoginVerdict =
  | { readonly kind: 'accepted'; readonly username: string }
  | { readonly kind: 'refused'; readonly message: string };

/**
 * Checks a login. A wrong password and an unknown user get the words of the connected registry; what it says of a
 * disabled token or an expired password is not documented, and these are Azure Container Registry's.
 */
export function judgeLogin(
  tokens: ReadonlyMap<string, ClientToken>,
  login: Login | undefined,
  nowMs: number,
): LoginVerdict {
  const unauthenticated = {
    kind: 'refused',
    message: 'authentication required, visit https://aka.ms/acr/authorization for more information.',
  } as const;
  if (login === undefined) return unauthenticated;
  const token = tokens.get(login.username);
  const passwords = token === undefined ? [] : [token.passwords.password1, token.passwords.password2];
  const password = passwords.find((candidate) => candidate?.value === login.password);
  if (token === undefined || password === undefined) {
    return { kind: 'refused', message: 'Incorrect Password' };
  }
  if (token.status === 'disabled' || (password.expiresAtMs ?? Infinity) <= nowMs) return unauthenticated;
  return { kind: 'accepted', username: login.username };
}

/** The login in an Authorization header, `undefined` when there is none. */
export function toLogin(authorization: string | undefined): Login | undefined {
  const encoded = /^basic (.+)$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [username = '', ...password] = Buffer.from(encoded, 'base64').toString().split(':');
  return { username, password: password.join(':') };
}
