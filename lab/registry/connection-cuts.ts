/** Tells which connections are to break: every so many, by the order of their first answers. */
export interface ConnectionCuts<Connection extends object> {
  /**
   * Whether the answer that begins now on a connection is the one to break: the first on a connection whose turn it is.
   * @param policy - one object for as long as the count goes on; another begins it anew
   */
  take(connection: Connection, policy: { readonly every: number }): boolean;
}

/** Cuts that have seen no connection. */
export function createConnectionCuts<Connection extends object>(): ConnectionCuts<Connection> {
  const counted = new WeakMap<object, { connections: WeakSet<Connection>; count: number }>();
  return {
    take(connection, policy) {
      const seen = counted.get(policy) ?? { connections: new WeakSet(), count: 0 };
      counted.set(policy, seen);
      if (seen.connections.has(connection)) return false;
      seen.connections.add(connection);
      seen.count += 1;
      return seen.count % policy.every === 0;
    },
  };
}
