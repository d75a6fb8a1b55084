/** Which connections break. */
export interface CutPolicy {
  readonly every: number;
  /** The number of the first one, from 1. Default: the last of the first so many. */
  readonly first?: number;
}

/** Tells which connections are to break: every so many, by the order of their first answers. */
export interface ConnectionCuts<Connection extends object> {
  /**
   * Whether the answer that begins now on a connection is the one to break: the first on a connection whose turn it is.
   * @param policy - one object for as long as the count goes on; another begins it anew
   */
  take(connection: Connection, policy: CutPolicy): boolean;
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
      return seen.count % policy.every === (policy.first ?? 0) % policy.every;
    },
  };
}
